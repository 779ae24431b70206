"""The process in which an encoder is compiled: `python -m preprocess.encoder_child REQUEST`, started by `encoders`."""

import json
import sys

from preprocess import children
from preprocess.encoders import EncoderSpec, build_encoder

# TensorFlow imports Keras, which imports these where it finds them, for what no encoder needs: a second and more.
_UNNEEDED = ('matplotlib', 'pandas', 'scipy', 'sklearn')


def main(request: str) -> tuple[str, ...]:
    """Compile what the request says; the notes for the user."""
    for name in _UNNEEDED:
        sys.modules[name] = None  # type: ignore[assignment]  # how Python marks what can't be imported
    asked = json.loads(request)
    return build_encoder(EncoderSpec(**asked['spec']), asked['directory']).notes


if __name__ == '__main__':
    children.answer(main)

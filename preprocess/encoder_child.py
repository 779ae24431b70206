"""The process in which an encoder is compiled: `python -m preprocess.encoder_child REQUEST`, started by `encoders`."""

import json

from preprocess import children
from preprocess.encoders import EncoderSpec, build_encoder


def main(request: str) -> tuple[str, ...]:
    """Compile what the request says; the notes for the user."""
    asked = json.loads(request)
    return build_encoder(EncoderSpec(**asked['spec']), asked['directory']).notes


if __name__ == '__main__':
    children.answer(main)

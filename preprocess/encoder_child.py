"""The process in which an encoder is compiled: `python -m preprocess.encoder_child REQUEST`, started by `encoders`.

The request and the one-line answer are JSON. Standard input is a lifeline: when it ends, so did whoever asked.
"""

import json
import os
import sys
import threading
from typing import IO

from preprocess.encoders import EncoderSpec, build_encoder
from preprocess.failures import Failure


def main(request: str) -> None:
    """Compile what the request says; answer with the notes for the user, or with the failure."""
    answer = _claim_stdout()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asked = json.loads(request)
    try:
        notes = build_encoder(EncoderSpec(**asked['spec']), asked['directory']).notes
        said: dict[str, object] = {'notes': notes}
    except Failure as failure:
        said = {'failure': [type(failure).__name__, failure.what, failure.where, failure.do]}
    answer.write(json.dumps(said))
    answer.close()


def _claim_stdout() -> IO[str]:
    """The real standard output; what Keras and TensorFlow print there goes where their errors go."""
    answer = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    return answer


def _end_with_parent() -> None:
    os.read(0, 1)  # unbuffered: a buffered read would hold a lock that the end of the process wants
    os._exit(1)


if __name__ == '__main__':
    main(sys.argv[1])

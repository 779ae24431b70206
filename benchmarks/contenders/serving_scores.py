"""What a model answers here on every picture of a folder."""

import json
import sys
from pathlib import Path

from predict.model import load


def main(model: str, folder: str) -> None:
    """All scores, in the order of the paths."""
    answers = load(model).predict(sorted(Path(folder).glob('*/*.jpg')))
    print(json.dumps({'scores': [answer.scores for answer in answers]}))


if __name__ == '__main__':
    main(*sys.argv[1:])

"""A model to be served: a compiled encoder and a head of random weights."""

import json
import sys

from preprocess.compiled import CompiledEncoder
from trainer import heads
from trainer.export import ModelParts, write_model
from trainer.heads import HeadSpec, TrainedHead


def main(encoder_directory: str, directory: str, *labels: str) -> None:
    """Write it."""
    encoder = CompiledEncoder.load(encoder_directory)
    spec = HeadSpec(encoder.vector_size, len(labels), hidden_units=512)
    write_model(ModelParts(TrainedHead(spec, heads.initial_weights(spec, 0)), labels, encoder), directory)
    print(json.dumps({}))


if __name__ == '__main__':
    main(*sys.argv[1:])

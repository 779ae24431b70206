"""The process in which a graph is quantised (NNCF, OpenVINO): `python -m preprocess.quantising_child REQUEST`."""

import json

import numpy as np

from preprocess import children, openvino_engine
from preprocess.compiled import MODEL_FILE


def main(request: str) -> tuple[str, ...]:
    """The float32 graph at `graph`, calibrated on the pictures in the file `pixels` -> model.xml, model.bin."""
    import nncf
    import openvino

    asked = json.loads(request)
    model = openvino_engine.read_graph(asked['graph'])
    pixels = np.load(asked['pixels'], mmap_mode='r')
    dataset = nncf.Dataset(pixels, lambda picture: picture[None])
    # Symmetric weights and activations: what processors multiply fastest.
    quantised = nncf.quantize(model, dataset, subset_size=len(pixels), preset=nncf.QuantizationPreset.PERFORMANCE)
    openvino.save_model(quantised, f'{asked["directory"]}/{MODEL_FILE}', compress_to_fp16=False)
    return ()


if __name__ == '__main__':
    children.answer(main)

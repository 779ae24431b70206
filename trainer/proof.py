"""The proof that a model on disk answers as it should, by a process that has only the disk.

`python -m trainer.proof LOADER DIRECTORY` is that process: it reads cases from standard input and writes its answers.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from preprocess.failures import RunFailed
from preprocess.progress import Progress
from preprocess.settings import Json

# The bar for equal scores: far above the noise of one machine, far below what moves a decision.
TOLERANCE = 1e-5
# Loading the largest encoder from a slow disk takes a minute or two.
_TIMEOUT_S = 900
Array: TypeAlias = NDArray[np.generic]
Tensors: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True)
class Case:
    """One call: the signature ('' where tensors are fed by name), what goes in, and what must come out."""

    signature: str
    inputs: Tensors
    outputs: Tensors


def check(directory: str, loader: str, cases: Sequence[Case]) -> None:
    """Load the model in a fresh process and compare its answers; RunFailed tells the first that differs."""
    for case, got in zip(cases, answers(directory, loader, cases), strict=True):
        for name, expected in case.outputs.items():
            if problem := _difference(expected, got[name]):
                raise _refuted(directory, f'{case.signature or loader}, output {name}: {problem}')


def answers(directory: str, loader: str, cases: Sequence[Case]) -> list[Tensors]:
    """What the model in a fresh process answers to each case; RunFailed when it does not load."""
    asked: Json = [
        {'signature': case.signature, 'inputs': _plain(case.inputs), 'outputs': list(case.outputs)} for case in cases
    ]
    with Progress('checking the model in a fresh process'):
        return [_tensors(answer) for answer in _ask(directory, loader, json.dumps(asked))]


def _ask(directory: str, loader: str, request: str) -> list[dict[str, Json]]:
    root = str(Path(__file__).parents[1])
    environment = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join([root, *filter(None, [os.environ.get('PYTHONPATH')])]),
        'TF_CPP_MIN_LOG_LEVEL': '3',
        'CUDA_VISIBLE_DEVICES': '-1',  # this process may hold all of the GPU's memory
    }
    environment.pop('TF_CONFIG', None)
    try:
        ended = subprocess.run(
            [sys.executable, '-m', 'trainer.proof', loader, directory],
            input=request,
            capture_output=True,
            text=True,
            env=environment,
            timeout=_TIMEOUT_S,
            start_new_session=True,  # Ctrl-C lets this piece finish
        )
    except subprocess.TimeoutExpired:
        raise _refuted(directory, f'no answer in {_TIMEOUT_S} s') from None
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [f'exit code {ended.returncode}'])[-1]
        raise _refuted(directory, f'it can not be loaded or called: {last}')
    return cast('list[dict[str, Json]]', json.loads(ended.stdout))


def _refuted(directory: str, what: str) -> RunFailed:
    return RunFailed(
        f'the exported model failed its check: {what}',
        where=directory,
        do='nothing was replaced; see whether the disk is full, then run the same command again',
    )


def _difference(expected: Array, got: Array) -> str | None:
    if expected.shape != got.shape or expected.dtype.kind != got.dtype.kind:
        return f'{got.dtype.name}{list(got.shape)} instead of {expected.dtype.name}{list(expected.shape)}'
    if expected.dtype.kind != 'f':
        return None if np.array_equal(expected, got) else f'{got.tolist()} instead of {expected.tolist()}'
    worst = float(np.max(np.abs(expected.astype(np.float64) - got.astype(np.float64)), initial=0.0))
    return None if worst <= TOLERANCE else f'off by up to {worst:.2g}'


# Strings travel in numpy's fixed-width bytes, which lose NULs at the end: no label ends in one, nor does a PNG or JPEG.


def _plain(tensors: Tensors) -> dict[str, Json]:
    return {name: _plain_one(array) for name, array in tensors.items()}


def _plain_one(array: Array) -> Json:
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode('ascii')
    return {'dtype': array.dtype.str, 'shape': list(array.shape), 'b64': data}


def _tensors(plain: Mapping[str, Json]) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name, said in plain.items():
        fields = cast('dict[str, str]', said)
        shape = cast('list[int]', fields['shape'])
        found[name] = np.frombuffer(base64.b64decode(fields['b64']), np.dtype(fields['dtype'])).reshape(shape)
    return found


Call: TypeAlias = Callable[[str, Tensors, Sequence[str]], Tensors]


def _by_signature(directory: str) -> Call:
    """tf.saved_model.load, then each signature by its name."""
    import tensorflow as tf

    loaded = tf.saved_model.load(directory)

    def call(signature: str, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        answer = loaded.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: fixed(np.asarray(answer[name].numpy())) for name in outputs}

    return call


def _by_tensor_name(directory: str) -> Call:
    """TensorFlow 1's loader, then tensors fed and fetched by their names."""
    import tensorflow as tf

    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        tf.compat.v1.saved_model.loader.load(session, ['serve'], directory)

    def call(signature: str, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        fed = {name: value.tolist() if value.dtype.kind == 'S' else value for name, value in inputs.items()}
        answer = session.run(list(outputs), fed)
        return {name: fixed(value) for name, value in zip(outputs, answer, strict=True)}

    return call


def _by_litert(directory: str) -> Call:
    """LiteRT's interpreter, picture by picture."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(os.path.join(directory, 'model.tflite'))
    run = interpreter.get_signature_runner()

    def call(signature: str, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        rows = zip(*inputs.values(), strict=True)
        answered = [run(**{name: value[None] for name, value in zip(inputs, row, strict=True)}) for row in rows]
        return {name: np.concatenate([answer[name] for answer in answered]) for name in outputs}

    return call


def _by_openvino(directory: str) -> Call:
    """OpenVINO in float32, where the graph is not quantised."""
    import openvino

    settings = {'INFERENCE_PRECISION_HINT': 'f32'}
    compiled = openvino.Core().compile_model(os.path.join(directory, 'model.xml'), 'CPU', settings)

    def call(signature: str, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        answer = compiled(dict(inputs))
        return {name: np.array(answer[name]) for name in outputs}

    return call


def _by_onnx(directory: str) -> Call:
    """ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(os.path.join(directory, 'model.onnx'), providers=['CPUExecutionProvider'])

    def call(signature: str, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        return dict(zip(outputs, session.run(list(outputs), dict(inputs)), strict=True))

    return call


LOADERS: dict[str, Callable[[str], Call]] = {
    'signatures': _by_signature,
    'tensors': _by_tensor_name,
    'litert': _by_litert,
    'openvino': _by_openvino,
    'onnx': _by_onnx,
}


def fixed(array: Array) -> Array:
    """Strings as bytes of one width, other arrays as they are."""
    return array.astype(np.bytes_) if array.dtype.kind == 'O' else array


def main(argv: Sequence[str]) -> None:
    """Answer the cases on standard input with the model in a directory."""
    loader, directory = argv
    call = LOADERS[loader](directory)
    answers = [
        _plain(call(case['signature'], _tensors(case['inputs']), case['outputs'])) for case in json.load(sys.stdin)
    ]
    json.dump(answers, sys.stdout)


if __name__ == '__main__':
    main(sys.argv[1:])

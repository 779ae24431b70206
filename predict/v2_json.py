"""KServe v2 (the Open Inference Protocol): pictures as a tensor of BYTES in, labels and scores as tensors out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from predict import refusals, request, v2_tensors
from predict.answers import Prediction, Style
from predict.pictures import Picture, Unusable
from predict.refusals import Refused
from predict.v2_tensors import Body, Tensor
from preprocess.settings import Json

INPUTS = {'key': 'BYTES', 'image_bytes': 'BYTES'}
OUTPUTS = {'key': 'BYTES', 'prediction': 'INT64', 'label': 'BYTES', 'scores': 'FP32'}


@dataclass(frozen=True)
class Asked:
    """The pictures of a request, and which outputs are wanted, each as binary or not."""

    pictures: tuple[Picture | Unusable, ...]
    outputs: Mapping[str, bool]
    id: str | None = None


def parse(body: bytes, header_length: str | None) -> Asked:
    """The pictures in a request; Refused when it is none."""
    asked, tensors = v2_tensors.parse(body, header_length)
    pictures = _picture_tensor(tensors)
    keys = v2_tensors.by_name(tensors, 'key')
    names = _texts(keys) if keys else [str(place) for place in range(len(pictures.elements))]
    if len(names) != len(pictures.elements) or not names:
        raise Refused('bad-request', f'{len(pictures.elements)} pictures and {len(names)} keys')
    named = (_picture(key, element) for key, element in zip(names, pictures.elements, strict=True))
    identity = asked.get('id')
    return Asked(tuple(named), _wanted(asked), identity if isinstance(identity, str) else None)


def reply(asked: Asked, answers: Sequence[Prediction], style: Style, *, model: str) -> Body:
    """The tensors asked for; there is no place in them for a failed picture, which so fails the request."""
    if failed := next((answer for answer in answers if answer.error is not None), None):
        raise refusals.refusal_of(failed)
    labels = [str(style.json(answer)['label']) for answer in answers]
    columns: dict[str, tuple[str | int | float, ...]] = {
        'key': tuple(answer.key for answer in answers),
        'prediction': tuple(answer.prediction or 0 for answer in answers),
        'label': tuple(labels),
        'scores': tuple(score for answer in answers for score in answer.scores),
    }
    shapes = {'scores': (len(answers), len(answers[0].scores))}
    outputs = (
        Tensor(name, OUTPUTS[name], columns[name], is_binary, shapes.get(name, (len(answers),)))
        for name, is_binary in asked.outputs.items()
    )
    said: dict[str, Json] = {'model_name': model, **({'id': asked.id} if asked.id is not None else {})}
    return v2_tensors.write(said, outputs)


def metadata(model: str, version: str, classes: int) -> dict[str, Json]:
    """What a model takes and gives."""
    shapes: dict[str, list[Json]] = {'scores': [-1, classes]}
    return {
        'name': model,
        'versions': [version],
        'platform': 'tensorflow_savedmodel',
        'inputs': [{'name': name, 'datatype': kind, 'shape': [-1]} for name, kind in INPUTS.items()],
        'outputs': [
            {'name': name, 'datatype': kind, 'shape': shapes.get(name, [-1])} for name, kind in OUTPUTS.items()
        ],
    }


def _picture_tensor(tensors: Sequence[Tensor]) -> Tensor:
    """The input of that name, or the only one there is."""
    others = [tensor for tensor in tensors if tensor.name != 'key']
    found = v2_tensors.by_name(tensors, 'image_bytes') or (others[0] if len(others) == 1 else None)
    if found is None:
        raise Refused('bad-request', 'no input image_bytes')
    return found


def _texts(tensor: Tensor) -> list[str]:
    return [e.decode('utf-8', 'replace') if isinstance(e, bytes) else str(e) for e in tensor.elements]


def _picture(key: str, element: bytes | str | int | float) -> Picture | Unusable:
    """A picture's bytes; within JSON they are base64."""
    if isinstance(element, bytes):
        return Picture(key, element)
    return request.picture({'key': key, 'b64': element}, key)


def _wanted(asked: dict[str, Json]) -> dict[str, bool]:
    """The outputs that are asked for, all where none is named; binary where that is said of them, or of all."""
    all_binary = v2_tensors.parameters(asked).get('binary_data_output') is True
    outputs = asked.get('outputs')
    named = [output for output in outputs if isinstance(output, dict)] if isinstance(outputs, list) else []
    if not named:
        return dict.fromkeys(OUTPUTS, all_binary)
    if strangers := [str(output.get('name')) for output in named if output.get('name') not in OUTPUTS]:
        raise Refused('bad-request', f'no output {strangers[0]}; there are {", ".join(OUTPUTS)}')
    return {str(one['name']): v2_tensors.parameters(one).get('binary_data', all_binary) is True for one in named}

"""The JSON of TensorFlow Serving, KServe v1 and Vertex: "instances" or "inputs" in, "predictions" or "outputs" out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from predict import refusals, request
from predict.answers import Prediction, Style
from predict.pictures import Picture, Unusable
from predict.refusals import Refused
from preprocess.settings import Json

SIGNATURE = 'serving_default'
# A request of pictures is few values, long ones; millions of tiny ones would take gigabytes once they are Python's.
MOST_VALUES = 100_000


@dataclass(frozen=True)
class Asked:
    """The pictures of a request; `by_columns` when it came, and is to be answered, column by column."""

    pictures: tuple[Picture | Unusable, ...]
    by_columns: bool = False


def parse(body: bytes) -> Asked:
    """The pictures in a request; Refused when it is none."""
    asked = loaded(body)
    signature = asked.get('signature_name', SIGNATURE)
    if signature not in (SIGNATURE, ''):
        raise Refused('bad-request', f'the signature that is served is {SIGNATURE}')
    instances = asked.get('instances')
    if isinstance(instances, list):
        return Asked(_pictures(instances))
    if 'inputs' in asked:
        return Asked(_pictures(_rows(asked['inputs'])), by_columns=True)
    raise Refused('bad-request', 'no "instances" (a list) or "inputs" in the request')


def reply(asked: Asked, answers: Sequence[Prediction], style: Style) -> dict[str, Json]:
    """The answers in the form of the request. A failed picture keeps its place among rows; columns have none for it."""
    failed = next((answer for answer in answers if answer.error is not None), None)
    rows = [row(answer, style) for answer in answers]
    if not asked.by_columns:
        return {'predictions': cast('list[Json]', rows)}
    if failed:
        raise refusals.refusal_of(failed)
    return {'outputs': {name: [one[name] for one in rows] for name in rows[0]}}


def row(answer: Prediction, style: Style) -> dict[str, Json]:
    """One answer; of a failed one the reason by itself, too."""
    shown = style.json(answer)
    return shown if answer.error is None else {**shown, 'reason': refusals.reason_of(answer)}


def loaded(body: bytes) -> dict[str, Json]:
    """The JSON object in a body; Refused when there is none."""
    if sum(body.count(mark) for mark in (b',', b'[', b'{')) > MOST_VALUES:
        raise Refused('bad-request', f'more than {MOST_VALUES:,} values')
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused('bad-request', f'not JSON: {error}') from None
    if not isinstance(found, dict):
        raise Refused('bad-request', 'not a JSON object')
    return found


def _rows(inputs: Json) -> list[Json]:
    """Columns as rows; a single column may come without its name."""
    columns = inputs if isinstance(inputs, dict) and 'b64' not in inputs else {'image_bytes': inputs}
    pictures, keys = _listed(columns.get('image_bytes')), columns.get('key')
    if keys is None:
        return [{'image_bytes': picture} for picture in pictures]
    if len(_listed(keys)) != len(pictures):
        raise Refused('bad-request', f'{len(pictures)} image_bytes and {len(_listed(keys))} keys')
    return [{'key': key, 'image_bytes': picture} for key, picture in zip(_listed(keys), pictures, strict=True)]


def _listed(column: Json) -> list[Json]:
    return column if isinstance(column, list) else [column]


def _pictures(instances: Sequence[Json]) -> tuple[Picture | Unusable, ...]:
    if not instances:
        raise Refused('bad-request', 'no instance in the request')
    return tuple(request.picture(instance, str(place)) for place, instance in enumerate(instances))

"""request.json, as clients send it: JSON Lines or {"instances": [...]}, pictures as base64."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, cast

from predict.pictures import Picture, Unusable
from preprocess.failures import InputError
from preprocess.settings import Json

Form: TypeAlias = Callable[[Iterable[dict[str, Json]]], Iterator[bytes]]
_URL_SAFE = str.maketrans('-_', '+/')


def parse(data: bytes, *, where: str) -> list[Picture | Unusable]:
    """The pictures in a request; a broken one keeps its place, and one without a key is named by its place."""
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise _not_a_request(f'not UTF-8 at byte {error.start}', where) from None
    instances = list(_instances(text))
    if not any(isinstance(instance, dict) for instance in instances):
        raise _not_a_request('no JSON object in it' if text.strip() else 'it is empty', where)
    return [picture(instance, str(place)) for place, instance in enumerate(instances)]


def lines(instances: Iterable[dict[str, Json]]) -> Iterator[bytes]:
    """One JSON object a line, as gcloud takes it."""
    for instance in instances:
        yield json.dumps(instance, ensure_ascii=False).encode('utf-8', 'replace') + b'\n'


def body(instances: Iterable[dict[str, Json]]) -> Iterator[bytes]:
    """One JSON object, as Vertex and TensorFlow Serving take it over the wire."""
    yield b'{"instances": ['
    for place, line in enumerate(lines(instances)):
        yield (b',\n' if place else b'\n') + line.rstrip(b'\n')
    yield b'\n]}\n'


FORMATS: dict[str, Form] = {'lines': lines, 'instances': body}


def instance(key: str, image_bytes: bytes) -> dict[str, Json]:
    """One picture as `serving_default` takes it."""
    return {'key': key, 'image_bytes': {'b64': base64.b64encode(image_bytes).decode('ascii')}}


def _instances(text: str) -> Iterator[Json]:
    whole = _loaded(text)
    if isinstance(whole, dict) and isinstance(whole.get('instances'), list):
        yield from cast('list[Json]', whole['instances'])
        return
    # Not splitlines(): a JSON string may hold the other line separators of Unicode.
    for line in text.split('\n'):
        if line.strip():
            yield _loaded(line)


def _loaded(text: str) -> Json:
    try:
        return cast(Json, json.loads(text))
    except (ValueError, RecursionError):
        return None


def picture(instance: Json, place: str) -> Picture | Unusable:
    """The picture of one instance; without a key it is named by its place."""
    if not isinstance(instance, dict):
        return Unusable(place, 'bad-request: not a JSON object')
    key = instance.get('key', place)
    if isinstance(key, dict | list) or key is None:
        return Unusable(place, 'bad-request: the key is not a string')
    # TensorFlow Serving's short form leaves the input's name out.
    holder = instance if 'b64' in instance else instance.get('image_bytes')
    encoded = holder.get('b64') if isinstance(holder, dict) else None
    if not isinstance(encoded, str):
        return Unusable(str(key), 'bad-request: no {"image_bytes": {"b64": "..."}}')
    try:
        return Picture(str(key), _bytes(encoded))
    except (binascii.Error, ValueError):
        return Unusable(str(key), 'bad-request: image_bytes is not base64')


def _bytes(encoded: str) -> bytes:
    """What base64 stands for: wrapped or not, in either alphabet, and without the padding that some leave out."""
    plain = ''.join(encoded.split()).translate(_URL_SAFE)
    return base64.b64decode(plain if '=' in plain else plain + '=' * (-len(plain) % 4), validate=True)


def _not_a_request(what: str, where: str) -> InputError:
    return InputError(
        f'not a request: {what}',
        where=where,
        do='give lines of {"key": ..., "image_bytes": {"b64": ...}}, as predict.images_to_json writes them',
    )

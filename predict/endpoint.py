"""A model that is served elsewhere, by whatever speaks the JSON of version 1: TensorFlow Serving, Vertex AI, ours.

Pictures are decoded here and sent as the square the model takes, in PNG, which every server decodes bit for bit.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import urlsplit

import numpy as np

from predict import request, streaming
from predict.answers import Prediction
from predict.description import Description
from predict.pictures import Picture, Unusable
from predict.remote import EndpointFailed, Remote
from preprocess import images
from preprocess.failures import InputError, UsageError
from preprocess.images import Pixels, Shape
from preprocess.settings import Json

# The side Inception v3 takes: where nobody says otherwise.
DEFAULT_SIZE = 299
# Vertex takes 1.5 MB a request.
_REQUEST_BYTES = 1_400_000
_AT_ONCE = 4
_PREDICT = ':predict'


@dataclass(frozen=True)
class Endpoint:
    """A served model: where it is asked, its labels, and the squares it takes."""

    url: str
    description: Description
    input_shape: Shape
    remote: Remote

    def stream(self, pictures: Iterable[Picture | Unusable]) -> Iterator[Prediction]:
        """Answers in order, as they come."""
        return streaming.stream(pictures, self.input_shape, self.answers)

    def answers(self, squares: Sequence[Pixels], *, alone: bool = True) -> list[Prediction]:
        """One answer each, without keys; EndpointFailed when there is none."""
        requests = list(_requests(squares))
        if len(requests) == 1:
            return self._asked(requests[0])
        with ThreadPoolExecutor(_AT_ONCE, 'endpoint') as pool:
            return [answer for answers in pool.map(self._asked, requests) for answer in answers]

    def _asked(self, instances: list[dict[str, Json]]) -> list[Prediction]:
        rows = _predictions(self.remote.post(self.url, b''.join(request.body(instances))), len(instances), self.url)
        return [_answer(row, self.description.labels, where=self.url) for row in rows]


def connect(url: str, remote: Remote, *, size: int | None = None, labels: tuple[str, ...] = ()) -> Endpoint:
    """The endpoint at an address, once it has answered a first picture."""
    address = _address(url, remote)
    about = _about(address, remote)
    found = labels or tuple(map(str, cast('list[Json]', about.get('labels') or [])))
    shape = _shape(about, size)
    threshold = about.get('threshold')
    description = Description(
        (), about.get('multi_label') is True, float(threshold) if isinstance(threshold, float) else 0.5, shape
    )
    endpoint = Endpoint(address, description, shape, remote)
    (first,) = endpoint.answers([np.full(shape, 255, np.uint8)])
    if first.error is not None:
        raise EndpointFailed(f'it refused a white picture: {first.error}', where=address, do='see its log')
    return replace(endpoint, description=replace(description, labels=_names(found, first, address)))


def _names(known: tuple[str, ...], first: Prediction, address: str) -> tuple[str, ...]:
    """A name for every score; their numbers where the endpoint only tells the best one's."""
    classes = len(first.scores)
    if known and len(known) != classes:
        raise InputError(
            f'{len(known)} labels, but the endpoint gives {classes} scores',
            where=address,
            do='give the dict.txt of its model as --input_dict',
        )
    return known or tuple(map(str, range(classes)))


def _address(url: str, remote: Remote) -> str:
    """Where pictures are posted."""
    parts = urlsplit(url)
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise UsageError(f'{url!r} is no address', where='--endpoint', do='give http(s)://HOST/v1/models/NAME:predict')
    path = parts.path.rstrip('/')
    if not path:
        listed = remote.get(f'{url.rstrip("/")}/v1/models')
        names = listed.get('models')
        if not isinstance(names, list) or not names:
            raise InputError('no model is listed there', where=url, do='give .../v1/models/NAME:predict')
        return f'{url.rstrip("/")}/v1/models/{names[0]}{_PREDICT}'
    holder, _, last = path.rpartition('/')
    is_bare_name = holder.endswith(('/models', '/endpoints')) and ':' not in last
    return parts._replace(path=path + _PREDICT if is_bare_name else path).geturl()


def _about(address: str, remote: Remote) -> dict[str, Json]:
    """What the endpoint says of its model: ours everything, TensorFlow Serving its signatures, others nothing."""
    base, is_named, rest = address.partition(_PREDICT)
    if not is_named or rest or remote.is_google(address):
        return {}
    said = remote.get_if_there(base)
    return said if 'labels' in said else remote.get_if_there(f'{base}/metadata')


def _shape(about: dict[str, Json], size: int | None) -> Shape:
    """The squares to send: as asked, or as the endpoint says, else Inception's."""
    sides = about.get('input_shape') or _pixels_signature(about)
    if size is None and isinstance(sides, list) and len(sides) == 3 and all(str(side).isdigit() for side in sides):
        height, width, channels = (int(cast('int | str', side)) for side in sides)
        return height, width, channels
    return size or DEFAULT_SIZE, size or DEFAULT_SIZE, 3


def _pixels_signature(metadata: Json) -> Json:
    """The sizes in TensorFlow Serving's description of the signature `pixels`."""
    for name in ('metadata', 'signature_def', 'signature_def', 'pixels', 'inputs', 'pixels', 'tensor_shape', 'dim'):
        metadata = metadata.get(name) if isinstance(metadata, dict) else None
    dims = metadata if isinstance(metadata, list) else []
    return [dim.get('size') for dim in dims if isinstance(dim, dict)][1:]


def _requests(squares: Sequence[Pixels]) -> Iterator[list[dict[str, Json]]]:
    """Instances, in requests that every server takes."""
    some: list[dict[str, Json]] = []
    size = 0
    for place, square in enumerate(squares):
        png = images.png_bytes(square)
        if some and size + len(png) * 4 // 3 > _REQUEST_BYTES:
            yield some
            some, size = [], 0
        some.append(request.instance(str(place), png))
        size += len(png) * 4 // 3
    yield some


def _predictions(reply: dict[str, Json], count: int, where: str) -> list[Json]:
    rows = reply.get('predictions')
    if not isinstance(rows, list) or len(rows) != count:
        raise EndpointFailed(
            f'it answered without {count} "predictions"', where=where, do='check that it serves a model of ours'
        )
    return rows


def _answer(row: Json, labels: tuple[str, ...], *, where: str) -> Prediction:
    """One row: as our models answer, or a list of scores."""
    said = row if isinstance(row, dict) else {'scores': row}
    if 'error' in said:
        return Prediction('', error=str(said['error']))
    scores = said.get('scores')
    if not isinstance(scores, list) or not scores or not all(isinstance(score, int | float) for score in scores):
        raise EndpointFailed('it answered without scores', where=where, do='check that it serves a model of ours')
    numbers = tuple(float(cast('float', score)) for score in scores)
    if labels and len(numbers) != len(labels):
        what = f'it gave {len(numbers)} scores where it gave {len(labels)} before'
        raise EndpointFailed(what, where=where, do='begin again: its model has changed')
    best = int(np.argmax(numbers))
    known = labels[best] if labels else str(best)
    told = str(said.get('label', known))
    listed = said.get('labels')
    shown = tuple(map(str, listed)) if isinstance(listed, list) else (told,)
    return Prediction('', best, told if known == str(best) else known, numbers, shown)

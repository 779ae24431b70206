"""Tensors of KServe v2 (the Open Inference Protocol) on the wire: within the JSON, or in binary behind it."""

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from predict import v1_json
from predict.refusals import Refused
from preprocess.settings import Json

# How much of a body is JSON, where binary follows.
HEADER_LENGTH = 'inference-header-content-length'
_LENGTH = struct.Struct('<I')
_NUMBERS = {'INT64': '<i8', 'FP32': '<f4'}

Elements = tuple[bytes, ...] | tuple[str | int | float, ...]


@dataclass(frozen=True)
class Tensor:
    """A named tensor: its elements, row by row; `is_binary` as it came, or is to be sent."""

    name: str
    datatype: str
    elements: Elements
    is_binary: bool
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Body:
    """A response, and how much of it is JSON where binary follows."""

    content: bytes
    json_length: int | None


def parse(body: bytes, header_length: str | None) -> tuple[dict[str, Json], list[Tensor]]:
    """The JSON of a request and its inputs, all BYTES; Refused when it is none."""
    length = len(body) if header_length is None else _length(header_length, len(body))
    asked = v1_json.loaded(body[:length])
    return asked, list(_inputs(asked.get('inputs'), memoryview(body)[length:]))


def parameters(holder: dict[str, Json]) -> dict[str, Json]:
    """What stands under `parameters`, if that is an object."""
    found = holder.get('parameters')
    return found if isinstance(found, dict) else {}


def write(said: dict[str, Json], outputs: Iterable[Tensor]) -> Body:
    """A response: its JSON with the outputs in it, and what is binary behind it."""
    tensors: list[Json] = []
    behind: list[bytes] = []
    for tensor in outputs:
        written: dict[str, Json] = {'name': tensor.name, 'datatype': tensor.datatype, 'shape': list(tensor.shape)}
        if tensor.is_binary:
            behind.append(_packed(tensor))
            written['parameters'] = {'binary_data_size': len(behind[-1])}
        else:
            written['data'] = cast('list[Json]', list(tensor.elements))
        tensors.append(written)
    head = json.dumps({**said, 'outputs': tensors}, ensure_ascii=False).encode('utf-8', 'backslashreplace')
    return Body(head + b''.join(behind), len(head) if behind else None)


def _length(said: str, most: int) -> int:
    if not (said.isascii() and said.isdigit() and len(said) < 12 and int(said) <= most):
        raise Refused('bad-request', f'{HEADER_LENGTH} is no length within the body')
    return int(said)


def _inputs(inputs: Json, behind: memoryview) -> Iterator[Tensor]:
    """Every input; binary ones follow the JSON in their order."""
    at = 0
    for tensor in inputs if isinstance(inputs, list) else []:
        if not isinstance(tensor, dict) or not isinstance(tensor.get('name'), str):
            raise Refused('bad-request', 'an input without a name')
        if tensor.get('datatype') != 'BYTES':
            raise Refused('bad-request', f'the datatype of {tensor["name"]} is not BYTES')
        size = parameters(tensor).get('binary_data_size')
        if size is None:
            yield Tensor(str(tensor['name']), 'BYTES', _texts(tensor.get('data')), is_binary=False)
            continue
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(behind) - at:
            raise Refused('bad-request', 'binary_data_size is no length within the body')
        yield Tensor(str(tensor['name']), 'BYTES', tuple(_unpacked(behind[at : at + size])), is_binary=True)
        at += size


def _texts(data: Json) -> tuple[str, ...]:
    """The strings of a tensor, which may be nested as its shape is."""
    rows = data if isinstance(data, list) else []
    flat = [element for row in rows for element in (row if isinstance(row, list) else [row])]
    if not all(isinstance(element, str) for element in flat):
        raise Refused('bad-request', 'an element of a BYTES tensor is no string')
    return tuple(map(str, flat))


def _unpacked(data: memoryview) -> Iterator[bytes]:
    """Elements behind their lengths."""
    at = elements = 0
    while at < len(data):
        elements += 1
        if elements > v1_json.MOST_VALUES:
            raise Refused('bad-request', f'more than {v1_json.MOST_VALUES:,} elements')
        begin = at + _LENGTH.size
        length = _LENGTH.unpack(data[at:begin])[0] if begin <= len(data) else len(data)
        if begin + length > len(data):
            raise Refused('bad-request', 'an element goes beyond its tensor')
        yield bytes(data[begin : begin + length])
        at = begin + length


def _packed(tensor: Tensor) -> bytes:
    if tensor.datatype in _NUMBERS:
        return np.array(tensor.elements, _NUMBERS[tensor.datatype]).tobytes()
    texts = (str(element).encode('utf-8', 'replace') for element in tensor.elements)
    return b''.join(_LENGTH.pack(len(text)) + text for text in texts)


def by_name(tensors: Sequence[Tensor], name: str) -> Tensor | None:
    """The tensor of that name."""
    return next((tensor for tensor in tensors if tensor.name == name), None)

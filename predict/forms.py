"""A posted body -> the pictures in it: a form of files, as browsers and `curl -F` send it, or a picture by itself."""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from predict.pictures import Picture
from predict.refusals import Refused

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# What is wrong with a form is for the client to hear; without a handler it would be printed here.
logging.getLogger('python_multipart').addHandler(logging.NullHandler())

FIELD = 'image'
MOST_PARTS = 1000


@dataclass
class _Part:
    """A part as far as it is read."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: bytes = b''
    value: bytes = b''
    content: list[bytes] = field(default_factory=list)


class _Form:
    """The parts of a form, which the parser hands over piece by piece."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.is_whole = False

    def callbacks(self) -> 'MultipartCallbacks':
        """What the parser calls."""
        return {
            'on_part_begin': self._begin,
            'on_header_field': self._add_name,
            'on_header_value': self._add_value,
            'on_header_end': self._end_header,
            'on_part_data': self._add_content,
            'on_end': self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise Refused('bad-request', f'a form of more than {MOST_PARTS:,} parts')
        self.parts.append(_Part())

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].value += data[start:end]

    def _end_header(self) -> None:
        part = self.parts[-1]
        part.headers[part.name.lower()] = part.value
        part.name = part.value = b''

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].content.append(data[start:end])

    def _end(self) -> None:
        self.is_whole = True


def pictures(body: bytes, content_type: str) -> tuple[Picture, ...]:
    """The pictures in a form: its files, and the field `image` whatever it is; their names are their keys, no more."""
    _, options = parse_options_header(content_type)
    if b'boundary' not in options:
        raise Refused('bad-request', 'a form (multipart/form-data) without its boundary')
    found = [picture for part in _parts(body, options[b'boundary']) if (picture := _picture(part)) is not None]
    if not found:
        raise Refused('bad-request', f'no picture in the form: send {FIELD}=@FILE')
    return tuple(Picture(key or str(place), data) for place, (key, data) in enumerate(found))


def is_form(content_type: str) -> bool:
    """Whether a body of that type is a form with files."""
    return content_type.partition(';')[0].strip().lower() == 'multipart/form-data'


def _parts(body: bytes, boundary: bytes) -> list[_Part]:
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refused('bad-request', f'not a form: {error}') from None
    if not form.is_whole:
        raise Refused('bad-request', 'the form ends before its last boundary')
    return form.parts


def _picture(part: _Part) -> tuple[str, bytes] | None:
    """Key and bytes of a part that is a picture."""
    _, options = parse_options_header(part.headers.get(b'content-disposition', b''))
    file_name = options.get(b'filename')
    if file_name is None and options.get(b'name') != FIELD.encode():
        return None
    return (file_name or b'').decode('utf-8', 'replace'), b''.join(part.content)

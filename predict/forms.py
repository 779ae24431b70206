"""A posted body -> the pictures in it: a form of files, as browsers and `curl -F` send it, or a picture by itself."""

from collections.abc import Callable
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from predict.pictures import Picture
from predict.refusals import Refused

FIELD = 'image'
MOST_PARTS = 1000


@dataclass
class _Part:
    """What is known of a part so far."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: bytes = b''
    value: bytes = b''
    content: list[bytes] = field(default_factory=list)


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
    parts: list[_Part] = []
    ended: list[bool] = []

    def begin() -> None:
        if len(parts) >= MOST_PARTS:
            raise Refused('bad-request', f'a form of more than {MOST_PARTS:,} parts')
        parts.append(_Part())

    def end_header() -> None:
        part = parts[-1]
        part.headers[part.name.lower()] = part.value
        part.name = part.value = b''

    def collect(attribute: str) -> Callable[[bytes, int, int], None]:
        def add(data: bytes, start: int, end: int) -> None:
            setattr(parts[-1], attribute, getattr(parts[-1], attribute) + data[start:end])

        return add

    def add_content(data: bytes, start: int, end: int) -> None:
        parts[-1].content.append(data[start:end])

    parser = MultipartParser(
        boundary,
        {
            'on_part_begin': begin,
            'on_header_field': collect('name'),
            'on_header_value': collect('value'),
            'on_header_end': end_header,
            'on_part_data': add_content,
            'on_end': lambda: ended.append(True),
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refused('bad-request', f'not a form: {error}') from None
    if not ended:
        raise Refused('bad-request', 'the form ends before its last boundary')
    return parts


def _picture(part: _Part) -> tuple[str, bytes] | None:
    """Key and bytes of a part that is a picture."""
    _, options = parse_options_header(part.headers.get(b'content-disposition', b''))
    file_name = options.get(b'filename')
    if file_name is None and options.get(b'name') != FIELD.encode():
        return None
    return (file_name or b'').decode('utf-8', 'replace'), b''.join(part.content)

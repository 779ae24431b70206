import base64
import json

import pytest

from predict import request
from predict.pictures import Picture, Unusable
from preprocess.failures import InputError

B64 = base64.b64encode(b'\xff\xd8picture').decode()
PLAIN = b'\xff\xd8picture'


def found(text: str | bytes) -> list[tuple[str, bytes | str]]:
    data = text if isinstance(text, bytes) else text.encode()
    parsed = request.parse(data, where='request.json')
    return [(one.key, one.source if isinstance(one, Picture) else one.error) for one in parsed]


@pytest.mark.parametrize(
    'text',
    [
        f'{{"key": "a.jpg", "image_bytes": {{"b64": "{B64}"}}}}\n',
        f'{{"key": "a.jpg", "image_bytes": {{"b64": "{B64}"}}}}',
        f'\n{{"image_bytes": {{"b64": "{B64}"}}, "key": "a.jpg"}}\r\n\r\n',
        f'\ufeff{{"key": "a.jpg", "image_bytes": {{"b64": "{B64}"}}}}\n',
        f'{{"instances": [{{"key": "a.jpg", "image_bytes": {{"b64": "{B64}"}}}}]}}',
        f'{{\n "signature_name": "serving_default",\n "instances": [\n{{"key": "a.jpg", "b64": "{B64}"}}]}}',
    ],
)
def test_every_form_of_a_request_gives_the_same_picture(text):
    assert found(text) == [('a.jpg', PLAIN)]


def test_a_picture_without_a_key_is_named_by_its_place():
    assert found(f'{{"b64": "{B64}"}}\n{{"image_bytes": {{"b64": "{B64}"}}}}') == [('0', PLAIN), ('1', PLAIN)]


def test_numbers_are_keys_too():
    assert found(f'{{"key": 7, "b64": "{B64}"}}') == [('7', PLAIN)]


def test_base64_may_be_wrapped_and_url_safe():
    data = bytes(range(250, 256)) * 20
    wrapped = base64.encodebytes(data).decode()
    safe = base64.urlsafe_b64encode(data).decode()
    assert found(json.dumps({'b64': wrapped}) + '\n' + json.dumps({'b64': safe})) == [('0', data), ('1', data)]


@pytest.mark.parametrize('length', [0, 1, 2, 3])
def test_base64_may_lack_its_padding(length):
    data = PLAIN[:length]
    assert found(json.dumps({'b64': base64.b64encode(data).decode().rstrip('=')})) == [('0', data)]


def test_a_broken_instance_keeps_its_place_and_the_others_are_read():
    lines = ['{"key": "a"', '[]', '{"key": "b"}', '{"key": "c", "b64": "AAAAA"}', '{"key": null, "b64": "%%"}']
    assert found('\n'.join([*lines, f'{{"key": "z", "b64": "{B64}"}}'])) == [
        ('0', 'bad-request: not a JSON object'),
        ('1', 'bad-request: not a JSON object'),
        ('b', 'bad-request: no {"image_bytes": {"b64": "..."}}'),
        ('c', 'bad-request: image_bytes is not base64'),
        ('4', 'bad-request: the key is not a string'),
        ('z', PLAIN),
    ]


def test_nesting_that_would_exhaust_the_stack_is_a_broken_instance():
    assert found('[' * 100_000 + f'\n{{"b64": "{B64}"}}')[0] == ('0', 'bad-request: not a JSON object')


@pytest.mark.parametrize('data', [b'', b'\n\n', b'\xff\xd8\xff\xe0', b'a.jpg,roses\n', b'[1, 2]'])
def test_what_holds_no_request_at_all_is_refused_by_name(data):
    with pytest.raises(InputError) as refused:
        request.parse(data, where='request.json')
    assert refused.value.where == 'request.json'


@pytest.mark.parametrize('form', request.FORMATS)
def test_what_is_written_reads_back(form):
    pictures = {'a.jpg': b'one', 'schön "b".png': b'two\0'}
    written = b''.join(request.FORMATS[form](request.instance(key, data) for key, data in pictures.items()))
    assert found(written) == list(pictures.items())


def test_lines_are_those_of_the_earlier_tools():
    assert b''.join(request.lines([request.instance('a.jpg', b'x')])) == (
        b'{"key": "a.jpg", "image_bytes": {"b64": "eA=="}}\n'
    )


def test_a_name_that_is_not_utf8_still_makes_valid_json():
    written = b''.join(request.lines([request.instance('a\udcff.jpg', b'x')]))
    assert json.loads(written)['key'] == 'a?.jpg'


def test_unusable_is_what_a_broken_instance_becomes():
    assert request.parse(b'{"key": "a"}', where='') == [
        Unusable('a', 'bad-request: no {"image_bytes": {"b64": "..."}}')
    ]

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from predict import images_to_json
from preprocess import images
from preprocess.failures import InputError, UsageError
from tests.models import noise_bytes, picture_bytes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.jpg').write_bytes(noise_bytes(1))
    (tmp_path / 'b.PNG').write_bytes(noise_bytes(2, form='PNG'))
    return tmp_path


def sent(path: str = 'request.json') -> dict[str, bytes]:
    return {
        instance['key']: base64.b64decode(instance['image_bytes']['b64'])
        for instance in map(json.loads, Path(path).read_text().splitlines())
    }


def test_pictures_the_server_can_decode_are_sent_byte_for_byte(folder, capsys):
    assert images_to_json.main(['-o', 'request.json', 'a.jpg', 'b.PNG']) == 0
    assert sent() == {name: (folder / name).read_bytes() for name in ('a.jpg', 'b.PNG')}
    assert capsys.readouterr().out == 'Wrote 2 images to request.json\n'


@pytest.mark.parametrize('form', ['GIF', 'BMP', 'MPO'])
def test_the_servers_other_formats_are_sent_as_they_are_too(folder, form):
    Path('c').write_bytes(picture_bytes(form=form))
    images_to_json.main(['c'])
    assert sent() == {'c': Path('c').read_bytes()}


@pytest.mark.parametrize('form', ['WEBP', 'TIFF'])
def test_formats_the_server_does_not_know_become_png(folder, form):
    Path('c').write_bytes(picture_bytes(form=form))
    images_to_json.main(['c'])
    assert sent()['c'].startswith(b'\x89PNG')


def test_the_earlier_tools_command_line_resizes_to_the_square_of_the_pixel_policy(folder):
    assert images_to_json.main(['-o', 'request.json', '-r', 'a.jpg']) == 0
    with Image.open(io.BytesIO(sent()['a.jpg'])) as square:
        pixels = np.asarray(square)
        assert square.format == 'PNG'
    np.testing.assert_array_equal(pixels, images.to_pixels((folder / 'a.jpg').read_bytes(), (299, 299, 3)))


@pytest.mark.parametrize('flags', [['--size', '16'], ['-r', '--size=16'], ['--model_dir', '{model}']])
def test_the_side_is_given_or_taken_from_the_model(folder, tiny_model, flags):
    images_to_json.main([*(flag.format(model=tiny_model) for flag in flags), 'a.jpg'])
    with Image.open(io.BytesIO(sent()['a.jpg'])) as square:
        assert square.size == (16, 16)


def test_bad_pictures_are_named_with_their_reason_and_the_others_written(folder, capsys):
    Path('torn.jpg').write_bytes(noise_bytes(3)[:200])
    Path('text.jpg').write_text('hello')
    assert images_to_json.main(['a.jpg', 'torn.jpg', 'gone.jpg', 'text.jpg', 'b.PNG']) == 4
    shown = capsys.readouterr()
    assert list(sent()) == ['a.jpg', 'b.PNG']
    assert [line.split(':')[:3] for line in shown.err.splitlines()] == [
        ['error', ' torn.jpg', ' truncated'],
        ['error', ' gone.jpg', ' missing'],
        ['error', ' text.jpg', ' not-an-image'],
    ]
    assert shown.out == 'Wrote 2 images to request.json\n'


def test_with_no_usable_picture_nothing_is_written(folder):
    with pytest.raises(InputError, match='no picture could be used'):
        images_to_json.main(['gone.jpg'])
    assert not Path('request.json').exists()


def test_instances_is_one_json_object(folder):
    images_to_json.main(['--format', 'instances', 'a.jpg', 'b.PNG'])
    assert [one['key'] for one in json.loads(Path('request.json').read_text())['instances']] == ['a.jpg', 'b.PNG']


def test_more_than_a_hundred_pictures_are_warned_of_and_written(folder, capsys):
    assert images_to_json.main(['a.jpg'] * 101) == 0
    assert 'warning: 101 pictures' in capsys.readouterr().err


def test_more_than_one_and_a_half_megabytes_are_warned_of(folder, capsys):
    Path('large.png').write_bytes(noise_bytes(4, form='BMP', size=(800, 700)))
    images_to_json.main(['large.png'])
    assert '2.2 MB' in capsys.readouterr().err


def test_a_small_request_is_not_warned_of(folder, capsys):
    images_to_json.main(['a.jpg'])
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize(
    'words', [[], ['a.jpg', '--size', '0'], ['a.jpg', '-o', '.'], ['a.jpg', '--format', 'xml'], ['-x', 'a.jpg']]
)
def test_mistakes_in_the_flags_are_usage_errors(folder, words):
    with pytest.raises(UsageError):
        images_to_json.main(words)


def test_a_picture_from_standard_input(folder):
    command = [sys.executable, '-m', 'predict.images_to_json', '-o', 'request.json', '-']
    ended = subprocess.run(
        command, input=noise_bytes(1), env={**os.environ, 'PYTHONPATH': str(ROOT)}, capture_output=True
    )
    assert (ended.returncode, ended.stdout) == (0, b'Wrote 1 images to request.json\n')
    assert sent() == {'-': noise_bytes(1)}

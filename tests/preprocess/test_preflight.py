"""What is known before anything starts: inputs that can't be used, settings, about how many rows."""

import gzip
from pathlib import Path

import pytest

from preprocess import preflight
from preprocess.failures import InputError
from preprocess.options import SetConfig
from preprocess.set_names import Part


def check(folder: Path, csv: bytes, **changed) -> preflight.Inputs:
    name = changed.pop('name', 'a.csv')
    (folder / name).write_bytes(csv)
    (folder / 'dict.txt').write_text('cat\ndog\n')
    config = SetConfig(
        input_path=str(folder / name),
        input_dict=str(folder / 'dict.txt'),
        output_path=str(folder / 'out' / 'x'),
        **changed,
    )
    return preflight.check(config, encoder_key='key', encoder='mini')


ROW = b'pictures/number.png,cat\n'


@pytest.mark.parametrize('count', [1, 17, 20_000])
def test_rows_are_counted_or_estimated_closely(tmp_path, count):
    assert abs(check(tmp_path, ROW * count).about_rows - count) <= count * 0.01


def test_the_rows_of_a_packed_csv_are_estimated_from_its_beginning(tmp_path):
    inputs = check(tmp_path, gzip.compress(b''.join(b'%08d/%s' % (n, ROW) for n in range(20_000))), name='a.csv.gz')
    assert 4_000 < inputs.about_rows < 100_000


def test_a_part_expects_its_share(tmp_path):
    assert check(tmp_path, ROW * 1000, part=Part(0, 4)).about_rows == 250


def test_settings_name_all_the_records_depend_on_and_nothing_else(tmp_path):
    before = check(tmp_path, ROW).settings
    assert before == check(tmp_path, ROW, shards=7).settings
    for changed in (
        check(tmp_path, ROW * 2),
        check(tmp_path, ROW, ignore_label_case=True),
        check(tmp_path, ROW, multi_label=True),
        check(tmp_path, ROW, limit=5),
        check(tmp_path, ROW, part=Part(0, 2)),
        check(tmp_path, ROW, image_root=str(tmp_path)),
    ):
        assert changed.settings != before


def test_one_known_label_is_enough_to_begin(tmp_path):
    assert check(tmp_path, b'a.png,owl\nb.png,dog\n').labels.names == ('cat', 'dog')
    assert check(tmp_path, b'a.png\nb.png,owl\n').labels.names == ('cat', 'dog')


def test_a_csv_of_unknown_labels_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(InputError) as refused:
        check(tmp_path, b'a.png,Dog\nb.png,owl\n')
    assert "the nearest one is 'dog'" in refused.value.what
    assert refused.value.where == f'{tmp_path}/a.csv:1'
    assert '--ignore_label_case' in refused.value.do


def test_a_very_long_csv_is_not_read_to_its_end_for_a_known_label(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, 'ROWS_LOOKED_AT', 10)
    check(tmp_path, b'a.png,owl\n' * 10)
    with pytest.raises(InputError):
        check(tmp_path, b'a.png,owl\n' * 9)

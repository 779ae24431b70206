import numpy as np
import pytest

from preprocess.failures import InputError
from preprocess.record_sets import find_records
from tests.trainer import clips, raw_records
from trainer import embedded_set
from trainer.head_kinds import Windowing

_RUNS = (9, 3, 8)


@pytest.fixture
def found(tmp_path):
    return find_records([raw_records.write_footage(tmp_path, 'set', _RUNS, per_shard=(2, 1))])


def test_rows_are_windows_with_the_vector_and_the_place_of_the_frame_they_speak_for(found):
    rows = embedded_set.load(found, 'eval', windowing=Windowing(4, stride=2))
    assert rows.source.starts.tolist() == [0, 2, 4, 12, 14, 16]
    assert rows.vectors[:, 0].tolist() == [3, 5, 7, 15, 17, 19]
    assert [uri.split('#frame=') for uri in rows.uris] == [
        *(['set0.mp4', str(frame)] for frame in (3, 5, 7)),
        *(['set1.mp4', str(frame)] for frame in (17, 19, 21)),
    ]
    assert [ids[0] for ids in rows.label_ids] == [1] * 6
    assert rows.moments.spans.tolist() == [[0, 3], [2, 5], [4, 7], [14, 17], [16, 19], [18, 21]]
    assert rows.source.frames(3) == [f'set1.mp4#frame={n}' for n in (14, 15, 16, 17)]


def test_a_sample_of_windows_has_one_of_so_many_whatever_the_stride(found):
    rows = embedded_set.load(found, 'train', every=3, windowing=Windowing(3, stride=2))
    assert rows.vectors[:, 0].tolist() == [3, 6, 15, 18]
    assert rows.source is None


def test_a_sample_of_records_keeps_as_it_did(found):
    rows = embedded_set.load(found, 'train', every=7)
    assert rows.vectors[:, 0].tolist() == [0, 7, 14]
    assert len(rows.uris) == 3


def test_windows_have_the_label_of_most_of_their_frames(found):
    rows = embedded_set.load(found, 'eval', windowing=Windowing(3, label='majority'))
    assert [ids[0] for ids in rows.label_ids[:3]] == [0, 1, 0]
    assert rows.vectors[:3, 0].tolist() == [1, 2, 3]


def test_no_window_in_the_set_is_refused(found):
    with pytest.raises(InputError, match='a window has 20 frames, and the longest run of consecutive eval frames 9'):
        embedded_set.load(found, 'eval', windowing=Windowing(20))


def test_a_frame_stands_for_itself_by_mean_colours_on_a_coarse_grid(tmp_path):
    encoder = clips.pixel_encoder(tmp_path / 'encoder', (20, 12, 1))
    frame = np.zeros((1, 20, 12, 1), np.uint8)
    frame[0, :10] = 255
    clip = clips.Clip('a.mp4', frame, ((0,),), (0,))
    prefix = clips.write(tmp_path, 'set', [clip], ('a', 'b'), encoder)
    rows = embedded_set.load(find_records([prefix]), 'eval')
    assert rows.vectors.shape == (1, embedded_set.width((20, 12, 1))) == (1, 64)
    np.testing.assert_allclose(rows.vectors.reshape(8, 8)[:4], 1)
    np.testing.assert_allclose(rows.vectors.reshape(8, 8)[4:], 0)

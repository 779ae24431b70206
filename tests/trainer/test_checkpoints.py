from dataclasses import replace

import numpy as np
import pytest

from trainer import checkpoints
from trainer.checkpoints import Best, Checkpoint, Snapshot
from trainer.history import CurvePoint


def _arrays(*numbers):
    return tuple(np.full((2, 3), number, np.float32) for number in numbers)


_KEPT = Checkpoint(
    step=75,
    network=Snapshot(_arrays(1, 2), _arrays(3, 4, 5, 6)),
    best=Best(50, 0.25, _arrays(7, 8)),
    seconds=12.5,
    select_every=25,
    history=(CurvePoint(25, 3.0, eval_loss=0.5), CurvePoint(50, 6.0, train_loss=0.1, eval_loss=0.25)),
)


def test_what_was_saved_comes_back(tmp_path):
    checkpoints.save(str(tmp_path), _KEPT)
    found = checkpoints.latest(str(tmp_path))
    assert (found.step, found.seconds, found.select_every, found.history) == (75, 12.5, 25, _KEPT.history)
    np.testing.assert_array_equal(found.network.weights, _KEPT.network.weights)
    np.testing.assert_array_equal(found.network.slots, _KEPT.network.slots)
    assert (found.best.step, found.best.value) == (50, 0.25)
    np.testing.assert_array_equal(found.best.weights, _KEPT.best.weights)


def test_a_training_without_a_best_yet_can_be_saved(tmp_path):
    checkpoints.save(str(tmp_path), replace(_KEPT, best=None))
    assert checkpoints.latest(str(tmp_path)).best is None


def test_the_last_two_are_kept(tmp_path):
    for step in (50, 100, 9975, 10000):
        checkpoints.save(str(tmp_path), replace(_KEPT, step=step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'checkpoint-0000009975.npz',
        'checkpoint-0000010000.npz',
    ]


@pytest.mark.parametrize('damage', [lambda data: data[:500], lambda data: b'', lambda data: data[:-3000] + b'x' * 3000])
def test_where_the_last_one_is_damaged_the_one_before_is_used(tmp_path, damage):
    checkpoints.save(str(tmp_path), replace(_KEPT, step=50))
    checkpoints.save(str(tmp_path), _KEPT)
    last = tmp_path / 'checkpoint-0000000075.npz'
    last.write_bytes(damage(last.read_bytes()))
    assert checkpoints.latest(str(tmp_path)).step == 50


def test_a_flipped_byte_in_the_weights_is_damage(tmp_path):
    checkpoints.save(str(tmp_path), _KEPT)
    path = tmp_path / 'checkpoint-0000000075.npz'
    content = path.read_bytes()
    at = content.index(_KEPT.network.weights[1].tobytes())
    path.write_bytes(content[:at] + b'\xff' + content[at + 1 :])
    assert checkpoints.latest(str(tmp_path)) is None


def test_there_may_be_none(tmp_path):
    assert checkpoints.latest(str(tmp_path / 'nowhere')) is None


def test_clearing_leaves_other_files(tmp_path):
    (tmp_path / 'mine.jpg').touch()
    checkpoints.save(str(tmp_path), _KEPT)
    checkpoints.clear(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ['mine.jpg']

"""Every row of the input stands in the report's account."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from preprocess.manifest import Examples, Manifest
from preprocess.record_sets import find_records
from tests.trainer.sets import embedded, write_records
from trainer import accounts
from trainer.accounts import Frames, RejectExample, Rejects

LABELS = ('cat', 'dog')


def make_footage(folder: Path, name: str, runs: list[dict[str, int]]) -> None:
    """Let a set be of footage, of which runs of frames were rejected."""
    path = str(folder / f'manifest.{name}.json')
    manifest, lost = Manifest.read(path), sum(run['frames'] for run in runs)
    examples = Examples(manifest.examples.written, lost)
    rate = {'frames_per_second': 1.0}
    replace(manifest, examples=examples, sampling=rate, frame_rejects_by_reason={'corrupt': lost}).write(path)
    with open(folder / f'rejects.{name}.jsonl', 'a') as opened:
        for run in runs:
            uri = f'/v/a.mp4#frame={run["last_frame"] - run["frames"] + 1}'
            told = {'source': 'rows.csv', 'row': 90, 'uri': uri, 'reason': 'corrupt', 'message': 'it is damaged'}
            opened.write(json.dumps(told | run) + '\n')


def test_an_account_adds_up_and_shows_the_first_rejects_of_each_reason(tmp_path: Path) -> None:
    rows = embedded('train', np.eye(4), labels=[(0,), (0,), (1,), ()])
    prefix = write_records(tmp_path, rows, LABELS, rejects={'corrupt': 1, 'missing': 7})

    found = accounts.of_set(find_records([prefix]), rows, LABELS)

    assert (found.read, found.accepted, found.rejected, found.duplicate, found.unlabelled) == (13, 4, 8, 1, 1)
    assert found.per_label == {'cat': 2, 'dog': 1}
    assert [(one.reason, one.count, len(one.examples)) for one in found.rejects] == [
        ('missing', 7, 5),
        ('corrupt', 1, 1),
    ]
    assert found.rejects[1].examples == (RejectExample('rows.csv:10', 'corrupt0.jpg', 'it is corrupt'),)


def test_rejected_frames_have_an_account_of_their_own(tmp_path: Path) -> None:
    rows = embedded('eval', np.eye(3))
    prefix = write_records(tmp_path, rows, LABELS, rejects={'corrupt': 2})
    make_footage(tmp_path, 'eval', [{'frames': 2, 'last_frame': 1}, {'frames': 1, 'last_frame': 4}])

    found = accounts.of_set(find_records([prefix]), rows, LABELS)

    assert (found.rejected, [(one.reason, one.count, len(one.examples)) for one in found.rejects]) == (
        2,
        [('corrupt', 2, 2)],
    )
    examples = (
        RejectExample('rows.csv:90', '/v/a.mp4#frame=0', 'a.mp4#frame=0: it is damaged (2 frames, to 1)'),
        RejectExample('rows.csv:90', '/v/a.mp4#frame=4', 'a.mp4#frame=4: it is damaged'),
    )
    assert found.frames == Frames(6, 3, (Rejects('corrupt', 3, examples),))
    assert found.examples == 3


def test_pictures_have_no_account_of_frames(tmp_path: Path) -> None:
    rows = embedded('eval', np.eye(3))

    found = accounts.of_set(find_records([write_records(tmp_path, rows, LABELS)]), rows, LABELS)

    assert (found.examples, found.frames) == (3, None)


def test_records_without_a_manifest_are_counted_themselves(tmp_path: Path) -> None:
    rows = embedded('eval', np.eye(3), labels=[(1,), (1,), ()])
    prefix = write_records(tmp_path, rows, LABELS)
    (tmp_path / 'manifest.eval.json').unlink()

    found = accounts.of_set(find_records([prefix + '-*']), rows, LABELS)

    assert (found.read, found.accepted, found.rejected, found.unlabelled) == (None, 3, None, 1)
    assert (found.per_label, found.rejects) == ({'cat': 0, 'dog': 2}, ())


def test_a_set_copied_without_its_rejects_still_has_their_counts(tmp_path: Path) -> None:
    rows = embedded('eval', np.eye(3))
    prefix = write_records(tmp_path, rows, LABELS, rejects={'missing': 2})
    (tmp_path / 'rejects.eval.jsonl').unlink()

    assert accounts.of_set(find_records([prefix]), rows, LABELS).rejects == (Rejects('missing', 2, ()),)


def test_a_torn_list_of_rejects_gives_what_can_be_read(tmp_path: Path) -> None:
    rows = embedded('eval', np.eye(3))
    prefix = write_records(tmp_path, rows, LABELS, rejects={'missing': 2})
    with open(tmp_path / 'rejects.eval.jsonl', 'r+') as opened:
        opened.truncate(len(opened.read()) - 5)

    (rejects,) = accounts.of_set(find_records([prefix]), rows, LABELS).rejects
    assert (rejects.count, len(rejects.examples)) == (2, 1)


def test_the_manifest_inside_a_model_tells_of_the_training_set(tmp_path: Path) -> None:
    rows = embedded('train', np.eye(3), labels=[(0,), (1,), ()])
    write_records(tmp_path, rows, LABELS, rejects={'missing': 2})

    found = accounts.of_manifest('train', Manifest.read(str(tmp_path / 'manifest.train.json')), LABELS)

    assert (found.read, found.accepted, found.unlabelled) == (6, 3, 1)
    assert found.rejects == (Rejects('missing', 2, ()),)

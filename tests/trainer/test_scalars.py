"""Curves on an object store: written here, copied there now and then and in the end."""

import tensorflow as tf

from preprocess import files, near
from tests.fakes.gcs import FakeGcs
from trainer.result import Quality
from trainer.scalars import EVAL_SET, Scalars


def tags(log_dir: str) -> list[tuple[str, int]]:
    """Names and steps of the scalars of a kind."""
    if not files.is_dir(log_dir):
        return []
    paths = [near.file(found.uri) for found in files.list_dir(log_dir)]
    events = [event for path in paths for event in tf.compat.v1.train.summary_iterator(path)]
    return [(value.tag, event.step) for event in events for value in event.summary.value]


def test_they_are_there_after_a_while_and_in_the_end(gcs: FakeGcs) -> None:
    now = [0.0]
    scalars = Scalars('gs://bucket/curves', clock=lambda: now[0])
    scalars.quality(EVAL_SET, 1, Quality(0.5, 0.75, None))
    scalars.flush()
    assert tags('gs://bucket/curves/eval_set') == []
    now[0] = 31.0
    scalars.flush()
    assert tags('gs://bucket/curves/eval_set') == [('loss', 1), ('accuracy', 1)]
    scalars.write('train', 2, {'loss': 0.25})
    scalars.close()
    assert tags('gs://bucket/curves/train') == [('loss', 2)]
    assert [len(list(files.list_dir(f'gs://bucket/curves/{kind}'))) for kind in ('train', 'eval_set')] == [1, 1]

import pytest

from preprocess.failures import UsageError
from trainer import step_time
from trainer.classes import Classes
from trainer.config import Learning


@pytest.mark.parametrize(
    ('learning', 'shape', 'classes'),
    [
        (Learning(batch_size=4, hidden_units=3), (5,), Classes(('a', 'b'))),
        (Learning(head='lstm', window=3, hidden_units=3, batch_size=4), (5,), Classes(('a',), multi_label=True)),
        (Learning(head='cnn', layers=1, filters=2, augment='h'), (9, 9, 3), Classes(('a', 'b', 'c'))),
        (Learning(head='convlstm', window=4, clip_frames=2, filters=2), (9, 9, 1), Classes(('a', 'b'))),
    ],
)
def test_a_step_of_every_head_takes_some_time(learning, shape, classes):
    assert 0 < step_time.measure(learning, shape, classes) < 60


def test_a_head_that_can_not_look_at_the_records_is_refused():
    with pytest.raises(UsageError, match='the head cnn does not look at vectors'):
        step_time.measure(Learning(head='cnn'), (5,), Classes(('a', 'b')))

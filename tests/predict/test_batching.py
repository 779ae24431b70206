import threading
from concurrent.futures import Future

import pytest

from predict.batching import Batcher, Batching, Busy

PATIENCE_S = 30


class Held:
    """A function over batches that waits at a gate before each, and remembers what they were."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.alone: list[bool] = []
        self.arrived = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)

    def __call__(self, items: list[int], alone: bool) -> list[int]:
        self.batches.append(items)
        self.alone.append(alone)
        self.arrived.release()
        assert self.gate.acquire(timeout=PATIENCE_S)
        return [item * 10 for item in items]

    def wait(self) -> None:
        """Until a batch stands at the gate."""
        assert self.arrived.acquire(timeout=PATIENCE_S)

    def open(self) -> None:
        """For all batches to come."""
        self.gate.release(1000)


def put(batcher: Batcher[int, int], *items: int) -> list['Future[int]']:
    batcher.reserve(len(items))
    answers: list[Future[int]] = [Future() for _ in items]
    for item, answer in zip(items, answers, strict=True):
        batcher.submit(item, answer)
    return answers


def results(answers: list['Future[int]']) -> list[int]:
    return [answer.result(PATIENCE_S) for answer in answers]


@pytest.fixture
def held():
    run = Held()
    yield run
    run.open()


def test_an_item_alone_is_computed_at_once_without_padding(held):
    batcher = Batcher(held, Batching(wait_s=PATIENCE_S))
    held.open()
    assert results(put(batcher, 7)) == [70]
    assert held.batches == [[7]]
    batcher.close()


def test_who_comes_while_one_batch_is_computed_is_in_the_next(held):
    batcher = Batcher(held, Batching(sizes=(1, 2, 4), places=10, wait_s=0))
    first = put(batcher, 0)
    held.wait()
    rest = put(batcher, 1, 2, 3, 4, 5, 6, 7)
    held.open()
    assert results(first + rest) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert held.batches == [[0], [1, 2, 3, 4], [5, 6], [7]]
    batcher.close()


def test_a_moment_is_waited_for_others_on_their_way(held):
    batcher = Batcher(held, Batching(sizes=(1, 2), places=4, wait_s=PATIENCE_S))
    held.open()
    batcher.reserve(2)
    first, second = Future(), Future()
    batcher.submit(1, first)
    batcher.submit(2, second)
    assert results([first, second]) == [10, 20]
    assert held.batches == [[1, 2]]
    batcher.close()


def test_the_wait_is_over_when_those_on_their_way_give_up(held):
    batcher = Batcher(held, Batching(sizes=(1, 2), places=4, wait_s=PATIENCE_S))
    held.open()
    batcher.reserve(2)
    answer: Future[int] = Future()
    batcher.submit(1, answer)
    batcher.give_up()
    assert results([answer]) == [10]
    batcher.close()


def test_the_wait_is_bounded(held):
    batcher = Batcher(held, Batching(sizes=(1, 2), places=4, wait_s=0.001))
    held.open()
    batcher.reserve(2)
    answer: Future[int] = Future()
    batcher.submit(1, answer)
    assert results([answer]) == [10]
    batcher.give_up()
    batcher.close()


def test_a_full_line_is_busy_and_has_room_again_when_it_moved(held):
    batcher = Batcher(held, Batching(sizes=(1, 2), places=2, wait_s=0))
    answers = put(batcher, 1)
    held.wait()
    answers += put(batcher, 2)
    with pytest.raises(Busy) as busy:
        batcher.reserve(1)
    assert busy.value.retry_after_s == 1
    assert batcher.in_line == 2
    held.open()
    assert results(answers) == [10, 20]
    batcher.close()
    assert batcher.in_line == 0


def test_several_items_find_room_together_or_not_at_all(held):
    batcher = Batcher(held, Batching(sizes=(1, 2), places=4, wait_s=0))
    batcher.reserve(3)
    with pytest.raises(Busy):
        batcher.reserve(2)
    assert batcher.in_line == 3
    batcher.give_up(3)
    batcher.close()


def test_every_item_of_a_failed_batch_hears_of_it_and_the_next_is_computed():
    def run(items: list[int], alone: bool) -> list[int]:
        if 1 in items:
            raise ZeroDivisionError('one')
        return items

    batcher = Batcher(run, Batching(sizes=(1, 2), places=4, wait_s=PATIENCE_S))
    batcher.reserve(2)
    answers = [Future(), Future()]
    for item, answer in enumerate(answers):
        batcher.submit(item, answer)
    for answer in answers:
        with pytest.raises(ZeroDivisionError):
            answer.result(PATIENCE_S)
    assert results(put(batcher, 5)) == [5]
    batcher.close()


def test_answers_too_few_are_a_failure_for_all():
    batcher: Batcher[int, int] = Batcher(lambda items, alone: [], Batching())
    with pytest.raises(ValueError, match='shorter'):
        put(batcher, 1)[0].result(PATIENCE_S)
    batcher.close()


def test_what_nobody_waits_for_any_more_is_not_computed(held):
    batcher = Batcher(held, Batching(sizes=(1, 2), places=4, wait_s=0))
    answers = put(batcher, 1)
    held.wait()
    gone, stays = put(batcher, 2, 3)
    assert gone.cancel()
    held.open()
    assert results([*answers, stays]) == [10, 30]
    assert held.batches == [[1], [3]]
    batcher.close()
    assert batcher.in_line == 0


def test_closing_answers_everything_that_has_a_place(held):
    batcher = Batcher(held, Batching(sizes=(1, 2), places=8, wait_s=0))
    answers = put(batcher, 1)
    held.wait()
    answers += put(batcher, 2, 3, 4)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    held.open()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert results(answers) == [10, 20, 30, 40]


def test_few_items_are_one_batch_that_is_alone_and_the_next_waits_for_it(held):
    batcher = Batcher(held, Batching(sizes=(1, 2, 4), places=8, streams=2, wait_s=0))
    answers = put(batcher, 1)
    held.wait()
    answers += put(batcher, 2)
    assert not held.arrived.acquire(blocking=False)
    held.open()
    assert results(answers) == [10, 20]
    assert (held.batches, held.alone) == ([[1], [2]], [True, True])
    batcher.close()


def test_many_items_are_shared_by_the_streams(held):
    batcher = Batcher(held, Batching(sizes=(1, 2, 4), places=20, streams=2, wait_s=0))
    answers = put(batcher, 0)
    held.wait()
    answers += put(batcher, *range(1, 14))
    held.gate.release()
    held.wait()
    held.wait()
    assert sorted(held.batches[1:]) == [[1, 2, 3, 4], [5, 6, 7, 8]]
    held.open()
    assert results(answers) == [number * 10 for number in range(14)]
    assert held.alone[:3] == [True, False, False]
    batcher.close()


def test_a_stream_that_is_free_takes_what_waits_beside_another(held):
    batcher = Batcher(held, Batching(sizes=(1, 2), places=20, streams=2, wait_s=0))
    answers = put(batcher, 1, 2, 3)
    held.wait()
    held.wait()
    assert sorted(held.batches) == [[1, 2], [3]] and held.alone == [False, False]
    held.open()
    assert results(answers) == [10, 20, 30]
    batcher.close()


def test_the_pace_of_the_line_says_when_to_come_again(monkeypatch):
    clock = iter(range(0, 100_000, 4))
    monkeypatch.setattr('predict.batching.time.monotonic', lambda: next(clock))
    batcher: Batcher[int, int] = Batcher(lambda items, alone: items, Batching(sizes=(1,), places=3, wait_s=0))
    assert results(put(batcher, 1)) == [1]
    while batcher.in_line:
        pass
    batcher.reserve(3)
    with pytest.raises(Busy) as busy:
        batcher.reserve(1)
    assert busy.value.retry_after_s == 12
    batcher.give_up(3)
    batcher.close()


@pytest.mark.parametrize('wrong', [{'sizes': (2, 4)}, {'sizes': (1, 32), 'places': 31}])
def test_batching_that_can_not_work_is_not_born(wrong):
    with pytest.raises(ValueError):
        Batching(**wrong)

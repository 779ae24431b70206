"""What a user reads while a step goes on."""

import threading

import pytest

from preprocess import progress


def lines_of(step: progress.Progress) -> str:
    return step._line()


def test_a_short_step_without_a_terminal_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Progress('embedding', total=3, unit='pictures') as step:
        step.advance(3)
    assert capsys.readouterr().err == ''


def test_a_line_says_how_far_how_fast_and_how_many_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 110.0])
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(clock))
    step = progress.Progress('embedding', total=4000, unit='pictures')
    step.advance(1000, failed=2)
    assert lines_of(step) == ('embedding: 1,000 of 4,000 pictures, 100.0/s, about 30 s left, 2 failed, 10 s so far')


def test_a_line_without_counts_says_only_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 400.0])
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(clock))
    assert lines_of(progress.Progress('compiling inception_v3')) == 'compiling inception_v3: 5 min so far'


def test_a_long_step_without_a_terminal_prints_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, 'PLAIN_LINE_EVERY_S', 0.001)
    printed = threading.Event()
    real_print = print

    def noticing(*words: object, **options: object) -> None:
        real_print(*words, **options)  # type: ignore[call-overload]
        printed.set()

    monkeypatch.setattr('builtins.print', noticing)
    with progress.Progress('reading', unit='rows') as step:
        step.update(5, total=10)
        assert printed.wait(20)
    assert capsys.readouterr().err.startswith('reading: ')

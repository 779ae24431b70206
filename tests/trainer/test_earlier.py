"""The predictions of the model before: set aside once, and only when they are another model's."""

import json
from pathlib import Path

import pytest

from preprocess import files
from trainer import earlier


class Evaluated:
    """The files an evaluation leaves."""

    def __init__(self, directory: Path) -> None:
        self.metrics = directory / 'metrics.json'
        self.predictions = directory / 'predictions.csv'
        self.previous = directory / 'predictions.previous.csv'

    def leave(self, model: str, predictions: str) -> None:
        self.predictions.write_text(predictions)
        said = {'saved_model_sha256': model, 'predictions_sha256': files.sha256(str(self.predictions))}
        self.metrics.write_text(json.dumps({'model': said}))

    def set_aside(self, model: str) -> None:
        earlier.set_aside(str(self.metrics), str(self.predictions), str(self.previous), model_sha256=model)


@pytest.fixture
def evaluated(tmp_path: Path) -> Evaluated:
    return Evaluated(tmp_path)


def test_predictions_of_another_model_are_set_aside(evaluated: Evaluated) -> None:
    evaluated.leave('first', 'of the first')
    evaluated.set_aside('second')

    assert evaluated.previous.read_text() == 'of the first'
    assert not evaluated.metrics.exists()


def test_evaluating_a_model_again_keeps_those_of_the_model_before(evaluated: Evaluated) -> None:
    evaluated.leave('first', 'of the first')
    evaluated.set_aside('second')
    evaluated.leave('second', 'of the second')
    evaluated.set_aside('second')

    assert evaluated.previous.read_text() == 'of the first'


def test_a_first_evaluation_has_nothing_to_set_aside(evaluated: Evaluated) -> None:
    evaluated.set_aside('first')

    assert not evaluated.previous.exists()


def test_killed_before_the_new_metrics_the_next_run_finds_the_right_ones(evaluated: Evaluated) -> None:
    evaluated.leave('first', 'of the first')
    evaluated.set_aside('second')
    evaluated.predictions.write_text('of the second')  # and killed
    evaluated.set_aside('second')

    assert evaluated.previous.read_text() == 'of the first'


def test_predictions_that_something_else_wrote_are_not_taken_for_the_earlier_model(evaluated: Evaluated) -> None:
    evaluated.leave('first', 'of the first')
    evaluated.predictions.write_text('of the second, by the trainer')
    evaluated.set_aside('second')

    assert not evaluated.previous.exists()


@pytest.mark.parametrize('text', ['', 'null', '[]', '{"model": 3}', '{"accuracy": 1}'])
def test_metrics_that_say_nothing_of_a_model_set_nothing_aside(evaluated: Evaluated, text: str) -> None:
    evaluated.leave('first', 'of the first')
    evaluated.metrics.write_text(text)
    evaluated.set_aside('second')

    assert not evaluated.previous.exists()

"""What a training measured on its way survives kills and resumptions."""

import json
import math
from pathlib import Path

from trainer import history
from trainer.history import CurvePoint


def test_points_come_back_as_they_were_written(tmp_path: Path) -> None:
    points = (CurvePoint(1, 0.5, 1.1, 0.2, None, 1.2, 0.1, None), CurvePoint(100, 2.5, 0.3, 0.9, 0.99, 0.5, 0.8, 0.9))
    (tmp_path / 'history.jsonl').write_text(history.text(points))

    assert history.read(str(tmp_path / 'history.jsonl')) == points


def test_without_a_file_there_are_no_points(tmp_path: Path) -> None:
    assert history.read(str(tmp_path / 'history.jsonl')) == ()


def test_nan_is_written_as_null() -> None:
    (line,) = history.text([CurvePoint(1, 0.5, train_loss=math.nan, eval_loss=math.inf)]).splitlines()

    assert json.loads(line)['train_loss'] is None
    assert json.loads(line)['eval_loss'] is None


def test_steps_done_again_after_a_kill_hold_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    first = history.text([CurvePoint(step, step / 10) for step in (100, 200, 300)])
    again = history.text([CurvePoint(step, step / 5) for step in (200, 250)])
    (tmp_path / 'history.jsonl').write_text(first + again + '{"step": 275, "sec')

    found = history.read(str(tmp_path / 'history.jsonl'))

    assert [(point.step, point.seconds) for point in found] == [(100, 10.0), (200, 40.0), (250, 50.0)]

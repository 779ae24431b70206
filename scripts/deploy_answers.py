"""What gcloud and a served model answer in JSON, boiled down to the one line deploy.sh asks for: standard library only.

    gcloud ... --format=json | python deploy_answers.py QUESTION [ARGUMENT...]

The answer is on standard output; exit code 1 says that there is none, with the reason on standard error.
"""

import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

Json: TypeAlias = 'dict[str, Json] | list[Json] | str | int | float | bool | None'
Question: TypeAlias = Callable[..., str]
# Endpoints and versions remember by labels which version each one took the traffic over from.
_BEFORE = 'before'
_COLUMNS = ('VERSION', 'TRAFFIC', 'DEPLOYED AS', 'MADE', 'TOOK OVER FROM')


class NoAnswer(Exception):
    """What was asked for is not in what came."""


def resource(found: Json, name: str) -> str:
    """The full name of what is displayed under a name, in a listing; nothing when there is none."""
    names = [_text(one, 'name') for one in _rows(found) if one.get('displayName') == name]
    if len(names) > 1:
        raise NoAnswer(f'{len(names)} are called {name}: {", ".join(names)}')
    return ''.join(names)


def uploaded(found: Json) -> str:
    """MODEL@VERSION of an upload."""
    said = _row(found)
    return f'{_text(said, "model")}@{_text(said, "modelVersionId")}'


def deployed(endpoint: Json, version: str) -> str:
    """The number under which a version is deployed at an endpoint."""
    numbers = {_text(one, 'displayName'): _text(one, 'id') for one in _deployed(endpoint)}
    if version in numbers.values():
        return version
    if version not in numbers:
        raise NoAnswer(f'there is no version {version}, only {", ".join(sorted(numbers)) or "none at all"}')
    return numbers[version]


def serving(endpoint: Json) -> str:
    """The number of what has most of an endpoint's traffic; nothing when nothing has."""
    split = _row(_row(endpoint).get('trafficSplit') or {})
    return max(split, key=lambda number: _number(split[number]), default='')


def before(endpoint: Json) -> str:
    """The number of what had the traffic before the one that has it now."""
    now = serving(endpoint)
    if not now:
        raise NoAnswer('no version has the traffic')
    labels = _row(_row(endpoint).get('labels') or {})
    number = labels.get(f'{_BEFORE}-{now}')
    there = {_text(one, 'id') for one in _deployed(endpoint)}
    if not isinstance(number, str):
        raise NoAnswer(f'no version had the traffic before {version_of(endpoint, now)}')
    if number not in there:
        raise NoAnswer(f'the version before {version_of(endpoint, now)} was removed')
    return number


def stale(endpoint: Json) -> str:
    """The labels that remember for versions which are not deployed any more, with commas between."""
    there = {_text(one, 'id') for one in _deployed(endpoint)}
    labels = _row(_row(endpoint).get('labels') or {})
    return ','.join(sorted(name for name in labels if _is_memory(name) and name.rpartition('-')[2] not in there))


def version_of(endpoint: Json, number: str) -> str:
    """The name of the version with a number."""
    names = {_text(one, 'id'): _text(one, 'displayName') for one in _deployed(endpoint)}
    return names.get(number, number)


def table(endpoint: Json) -> str:
    """What is deployed, the newest first, as text."""
    said = _row(endpoint)
    split, labels = _row(said.get('trafficSplit') or {}), _row(said.get('labels') or {})
    lines = []
    for one in sorted(_deployed(endpoint), key=lambda one: str(one.get('createTime', '')), reverse=True):
        number = _text(one, 'id')
        earlier = labels.get(f'{_BEFORE}-{number}')
        name = version_of(endpoint, earlier) if isinstance(earlier, str) else ''
        share = f'{_number(split.get(number, 0)):.0f} %'
        lines.append((_text(one, 'displayName'), share, number, str(one.get('createTime', '')), name))
    return _aligned(lines)


def old_default(versions: Json) -> str:
    """AI Platform: the version that answers; nothing when there is none."""
    return ''.join(_short(one) for one in _rows(versions) if one.get('isDefault') is True)


def old_before(versions: Json) -> str:
    """AI Platform: the version that answered before the one that answers now."""
    rows = _rows(versions)
    now = old_default(versions)
    labels = next((_row(one.get('labels') or {}) for one in rows if _short(one) == now), {})
    earlier = labels.get(_BEFORE)
    if not isinstance(earlier, str):
        raise NoAnswer(f'no version answered before {now or "any did"}')
    if earlier not in map(_short, rows):
        raise NoAnswer(f'the version before {now} was removed')
    return earlier


def old_table(versions: Json) -> str:
    """AI Platform: the versions, the newest first, as text."""
    rows = sorted(_rows(versions), key=lambda one: str(one.get('createTime', '')), reverse=True)
    return _aligned(
        [
            (
                _short(one),
                '100 %' if one.get('isDefault') is True else '0 %',
                str(one.get('state', '')),
                str(one.get('createTime', '')),
                str(_row(one.get('labels') or {}).get(_BEFORE, '')),
            )
            for one in rows
        ]
    )


def named(versions: Json, name: str) -> str:
    """AI Platform: the model or version with a short name; nothing when there is none."""
    return ''.join(_short(one) for one in _rows(versions) if _short(one) == name)


def prediction(answer: Json, number: str = '') -> str:
    """CLASS LABEL of the one picture that was asked about; with a number, only if the version with it has answered."""
    said: Json = answer[0] if isinstance(answer, list) and answer else answer
    if not isinstance(said, dict):
        raise NoAnswer('the answer is no JSON object')
    if number and said.get('deployedModelId', number) != number:
        raise NoAnswer('the version that had the traffic before still answers')
    predictions = said.get('predictions', [said])
    if not isinstance(predictions, list) or len(predictions) != 1:
        raise NoAnswer('there is not one prediction in the answer')
    one = _row(predictions[0])
    if isinstance(wrong := one.get('error'), str):
        raise NoAnswer(f'the picture was refused: {wrong}')
    scores = one.get('scores')
    if not isinstance(scores, list) or not scores or not all(math.isfinite(_number(score)) for score in scores):
        raise NoAnswer('the answer has no scores')
    return f'{_number(one.get("prediction")):.0f} {_text(one, "label")}'


def _is_memory(label: str) -> bool:
    word, _, number = label.partition('-')
    return word == _BEFORE and number.isdigit()


def _deployed(endpoint: Json) -> list[dict[str, Json]]:
    return _rows(_row(endpoint).get('deployedModels') or [])


def _rows(found: Json) -> list[dict[str, Json]]:
    if not isinstance(found, list):
        raise NoAnswer('a list was expected')
    return [_row(one) for one in found]


def _row(found: Json) -> dict[str, Json]:
    if not isinstance(found, dict):
        raise NoAnswer('an object was expected')
    return found


def _text(row: dict[str, Json], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise NoAnswer(f'it does not say {name}')
    return value


def _short(row: dict[str, Json]) -> str:
    return _text(row, 'name').rpartition('/')[2]


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    every = [_COLUMNS, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(_COLUMNS))]
    return '\n'.join(
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in every
    )


QUESTIONS: dict[str, Question] = {
    'resource': resource,
    'uploaded': uploaded,
    'deployed': deployed,
    'serving': serving,
    'before': before,
    'stale': stale,
    'version_of': version_of,
    'table': table,
    'old_default': old_default,
    'old_before': old_before,
    'old_table': old_table,
    'named': named,
    'prediction': prediction,
}


def main(argv: Sequence[str]) -> int:
    """Answer one question about the JSON on standard input."""
    question, *arguments = argv
    try:
        print(QUESTIONS[question](json.load(sys.stdin), *arguments))
    except (NoAnswer, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))

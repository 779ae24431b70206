import json

import numpy as np
import pytest

from predict.answers import Prediction, Style, visible

STYLE = Style(('roses', 'tulips', 'daisy'), multi_label=False)
SEVERAL = Style(('day', 'rain', 'car'), multi_label=True)
ROSE = Prediction('a.jpg', 0, 'roses', (0.7, 0.2, 0.1), ('roses',))


def test_the_table_has_gclouds_columns_and_the_label():
    table = STYLE.table(['a.jpg', 'long/name.jpg'])
    assert [table.header, table.row(ROSE)] == [
        'KEY            PREDICTION  LABEL   SCORES',
        'a.jpg          0           roses   [0.7000, 0.2000, 0.1000]',
    ]


def test_with_top_k_the_best_scores_are_named():
    table = Style(STYLE.names, multi_label=False, top_k=2).table(['a.jpg'])
    assert table.row(ROSE) == 'a.jpg  0           roses   roses 0.7000, tulips 0.2000'


def test_an_answer_as_json_has_the_outputs_of_serving_default():
    assert STYLE.json(ROSE) == {'key': 'a.jpg', 'prediction': 0, 'label': 'roses', 'scores': [0.7, 0.2, 0.1]}


def test_a_failure_as_json_is_key_and_error():
    assert STYLE.json(Prediction('a.jpg', error='missing: gone')) == {'key': 'a.jpg', 'error': 'missing: gone'}


def test_top_k_adds_the_best_to_the_json():
    top = Style(STYLE.names, multi_label=False, top_k=1).json(ROSE)['top']
    assert top == [{'label': 'roses', 'score': 0.7}]


def test_json_scores_are_the_same_float32_in_few_digits():
    score = float(np.float32(0.1))
    assert json.dumps(STYLE.json(Prediction('a', 0, 'roses', (score, 0, 0), ('roses',)))['scores']) == '[0.1, 0.0, 0.0]'


@pytest.mark.parametrize(('threshold', 'label'), [(0.0, 'roses'), (0.7, 'roses'), (0.71, 'unsure'), (1.0, 'unsure')])
def test_below_the_threshold_the_answer_is_unsure(threshold, label):
    decided = STYLE.decided(ROSE, threshold)
    assert (STYLE.json(decided)['label'], decided.prediction, decided.scores) == (label, 0, ROSE.scores)


def test_several_labels_are_joined_and_listed():
    answer = Prediction('a', 2, 'car', (0.6, 0.1, 0.9), ('day', 'car'))
    assert SEVERAL.json(answer) == {
        'key': 'a',
        'prediction': 2,
        'label': 'day|car',
        'labels': ['day', 'car'],
        'scores': [0.6, 0.1, 0.9],
    }
    assert SEVERAL.table(['a']).row(answer) == 'a    2           day|car  [0.6000, 0.1000, 0.9000]'


def test_with_several_labels_the_threshold_chooses_them_anew():
    answer = Prediction('a', 2, 'car', (0.6, 0.1, 0.9), ('day', 'car'))
    assert [SEVERAL.decided(answer, t).labels for t in (0.05, 0.8, 0.95)] == [
        ('day', 'rain', 'car'),
        ('car',),
        ('unsure',),
    ]


def test_none_of_several_labels_is_a_hyphen_in_the_table_and_an_empty_list_in_json():
    answer = Prediction('a', 0, 'day', (0.2, 0.1, 0.1), ())
    assert SEVERAL.table(['a']).row(answer).split()[2] == '-'
    assert SEVERAL.json(answer)['labels'] == []


def test_a_failure_stays_a_failure_whatever_the_threshold():
    failure = Prediction('a', error='missing: gone')
    assert STYLE.decided(failure, 0.9) == failure


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('schön 花.jpg', 'schön 花.jpg'),
        ('a\x1b[2Jb', 'a\\x1b[2Jb'),
        ('a\nb\tc', 'a\\nb\\tc'),
        ('evil\u202egpj.exe', 'evil\\u202egpj.exe'),
        ('a\udcff', 'a\\udcff'),
    ],
)
def test_what_could_move_the_cursor_or_reorder_text_is_escaped(text, shown):
    assert visible(text) == shown

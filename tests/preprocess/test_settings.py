"""Digests and differences of what a result depends on."""

from preprocess import settings


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert settings.digest({'a': 1, 'b': [1, 'é']}) == settings.digest({'b': [1, 'é'], 'a': 1})
    assert settings.digest({'a': 1}) != settings.digest({'a': '1'})


def test_the_digest_is_the_same_on_every_machine() -> None:
    assert settings.digest({'a': 1, 'b': None}) == '46e0ff59f6164548317489fbea1133a48f7a83c325c3535e44559c9619afb76b'


def test_paths_that_are_not_utf8_have_digests_too() -> None:
    assert settings.digest({'a': 'x\udcff'}) != settings.digest({'a': 'x\udcfe'})


def test_changes_name_the_key_and_both_values() -> None:
    old = {'batch_size': 100, 'dict': 'a' * 64, 'same': 1, 'gone': True}
    new = {'batch_size': 50, 'dict': 'b' * 64, 'same': 1, 'more': ['x']}
    assert settings.changes(old, new) == [
        'batch_size: 100 -> 50',
        'dict: aaaaaaaaaaaa -> bbbbbbbbbbbb',
        'gone: true -> null',
        'more: null -> ["x"]',
    ]


def test_long_values_are_shortened() -> None:
    (line,) = settings.changes({'note': 'short'}, {'note': 'x' * 100})
    assert line == f'note: short -> {"x" * 59}…'

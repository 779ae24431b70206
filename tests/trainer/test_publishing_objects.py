"""A model on an object store: whole or absent, whenever its writer is killed."""

import itertools

import pytest

from preprocess import files
from preprocess.failures import InputError
from preprocess.retries import Line
from tests.fakes.gcs import FakeGcs
from trainer.publishing import publishing


class Killed(BaseException):
    pass


def write(directory: str, version: str, *, keep_previous: bool = False) -> None:
    """A model of two files; one of them has another name in each version."""
    with publishing(directory, keep_previous=keep_previous) as staged:
        for name in ('saved_model.pb', f'variables/{version}'):
            files.write_atomic(files.join(staged, name), version.encode())


def found(directory: str) -> str | None:
    """The version of a whole model; None where nobody would take what is there for one."""
    if not files.exists(files.join(directory, 'saved_model.pb')):
        return None
    content = {
        one.uri[len(directory) + 1 :]: files.read_text(one.uri) for one in files.list_dir(directory, recursive=True)
    }
    version = content['saved_model.pb']
    assert content == {'saved_model.pb': version, f'variables/{version}': version}
    return version


def names(place: str) -> list[str]:
    return sorted({one.uri[len(place) + 1 :].split('/')[0] for one in files.list_dir(place, recursive=True)})


def test_a_model_replaces_another_and_nothing_of_that_stays(place: str) -> None:
    write(f'{place}/model', 'one')
    write(f'{place}/model/', 'two')
    assert found(f'{place}/model') == 'two'
    assert names(place) == ['model']


def test_the_one_before_is_kept_when_asked(place: str) -> None:
    for version in ('one', 'two', 'three'):
        write(f'{place}/model', version, keep_previous=True)
    assert (found(f'{place}/model'), found(f'{place}/model.previous')) == ('three', 'two')
    assert names(place) == ['model', 'model.previous']


def test_what_raises_leaves_the_old_one_alone(place: str) -> None:
    write(f'{place}/model', 'one')
    with pytest.raises(RuntimeError), publishing(f'{place}/model') as staged:
        files.write_atomic(files.join(staged, 'saved_model.pb'), b'two')
        raise RuntimeError
    assert found(f'{place}/model') == 'one'
    assert names(place) == ['model']


def test_what_is_no_model_is_not_replaced(place: str) -> None:
    files.write_atomic(f'{place}/pictures/a.jpg', b'')
    with pytest.raises(InputError, match='not a model'):
        write(f'{place}/pictures', 'one')


@pytest.mark.parametrize('keep_previous', [True, pytest.param(False, marks=pytest.mark.slow)])
def test_killed_at_any_request_it_is_whole_or_absent_and_the_next_one_is_whole(
    gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch, keep_previous: bool
) -> None:
    persist, left = Line.persist, [0]

    def until_killed(line: Line, request, **more):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return persist(line, request, **more)

    monkeypatch.setattr(Line, 'persist', until_killed)
    seen = set()
    for number in itertools.count(1):
        place = f'gs://bucket/killed-{keep_previous}-{number}'
        write(f'{place}/model', 'one')
        left[0] = number
        try:
            write(f'{place}/model', 'two', keep_previous=keep_previous)
        except Killed:
            seen.add(found(f'{place}/model'))
            write(f'{place}/model', 'three', keep_previous=keep_previous)
            assert found(f'{place}/model') == 'three'
            kept = found(f'{place}/model.previous')
            assert kept in ({'one', 'two'} if keep_previous else {None})
            assert names(place) == (['model', 'model.previous'] if keep_previous else ['model'])
        else:
            break
    assert seen == {'one', None, 'two'} and number > 10

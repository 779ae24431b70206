"""A model exported anew is served in place of the old one, and no request is lost on the way."""

import asyncio
import os
import shutil
import threading
from pathlib import Path

import pytest

from predict import graph_labels, runtime
from predict.batching import Batching
from predict.keeping import Export, Keeper
from predict.metrics import Metrics
from predict.service import Manner, Service
from predict.serving import Machinery
from preprocess import files, near
from preprocess.failures import Failure, InputError, RunFailed
from preprocess.files import FileStat
from tests.fakes.fixtures import BUCKET
from tests.models import SIDE, picture_bytes, write_tiny
from tests.predict import servers

NEW = ('rouge', 'vert', 'bleu', 'blanc')


@pytest.fixture(scope='module')
def new_model(tmp_path_factory) -> str:
    """A model of other labels and another input size."""
    return write_tiny(tmp_path_factory.mktemp('new') / 'model', labels=('red', 'green', 'blue', 'white'), side=2 * SIDE)


@pytest.fixture
def live(tiny_model, tmp_path) -> Path:
    """A model's directory that may be replaced."""
    return Path(shutil.copytree(tiny_model, tmp_path / 'live'))


def replace(live: Path, model: str) -> None:
    """As an export does it: two renames."""
    staged = Path(shutil.copytree(model, f'{live}.exporting'))
    live.rename(f'{live}.previous')
    staged.rename(live)


def version(server: servers.Running) -> str:
    return server.get('/v1/models/headlight').json['model_version_status'][0]['version']


def test_another_export_is_served_without_losing_a_request(live, new_model):
    with servers.serving(model_dir=str(live), reload_secs=0.05) as server:
        over = threading.Event()
        answers: list[servers.Answer] = []

        def client() -> None:
            while not over.is_set():
                answers.append(server.post('/predict', picture_bytes('red')))

        clients = [threading.Thread(target=client) for _ in range(4)]
        for one in clients:
            one.start()
        replace(live, new_model)
        servers.until(lambda: version(server) == '2')
        over.set()
        for one in clients:
            one.join()
        after = server.post('/predict', picture_bytes('red')).json
        about = server.get('/v1/models/headlight').json
        counted = server.get('/metrics').body.decode()
    assert {answer.status for answer in answers} == {200}
    # Each answer is of one model: its label, scores and their names belong together.
    assert {(answer.json['label'], len(answer.json['scores']), len(answer.json['top'])) for answer in answers} <= {
        ('red', 3, 3),
        ('red', 4, 4),
    }
    assert len(after['scores']) == 4 and about['input_shape'] == [2 * SIDE, 2 * SIDE, 3]
    assert 'headlight_model_loads_total{outcome="ok"} 2' in counted


def test_an_export_that_can_not_be_served_leaves_the_old_one_and_a_good_one_after_it_is_taken(live, new_model, capsys):
    with servers.serving(model_dir=str(live), reload_secs=0.05) as server:
        (live / 'saved_model.pb').write_bytes(b'\xff' * 100)
        servers.until(lambda: 'outcome="failed"} 1' in server.get('/metrics').body.decode())
        assert server.post('/predict', picture_bytes('red')).json['label'] == 'red'
        shutil.rmtree(live)
        assert server.post('/predict', picture_bytes('blue')).json['label'] == 'blue'
        shutil.copytree(new_model, live)
        servers.until(lambda: version(server) == '2')
        assert len(server.post('/predict', picture_bytes('red')).json['scores']) == 4
    said = capsys.readouterr().err
    assert said.count('can not be served, the old one is kept') == 1
    assert said.count('serving the new model in') == 1


def test_a_model_that_is_half_of_one_export_and_half_of_another_is_refused(live, new_model):
    graph_labels.check(str(live))
    shutil.copy(f'{new_model}/assets/dict.txt', live / 'assets/dict.txt')
    with pytest.raises(InputError, match='of two exports'):
        runtime.load(str(live), runtime.Runtime(), (1,))
    shutil.copy(f'{new_model}/saved_model.pb', live)
    graph_labels.check(str(live))
    (live / 'assets/dict.txt').write_text('green\nred\nblue\nwhite\n')
    with pytest.raises(InputError, match='of two exports'):
        graph_labels.check(str(live))


class Replaced:
    """A directory that holds another export whenever it is looked at."""

    def __init__(self, times: int) -> None:
        self.times = times

    def load(self, directory: Path) -> servers.FakeAnswerer:
        if self.times:
            self.times -= 1
            (directory / 'saved_model.pb').write_text(f'{self.times}')
        return servers.FakeAnswerer()


def test_a_model_replaced_while_it_is_loaded_is_loaded_again(live):
    replaced = Replaced(times=2)
    export = Export(str(live), lambda: replaced.load(live))
    assert export.loaded()[1] == export.mark()
    assert replaced.times == 0
    with pytest.raises(InputError, match='again and again'):
        Export(str(live), lambda: Replaced(times=1).load(live)).loaded()


class Enough(BaseException):
    """Ends what goes on for ever."""


def test_a_storage_that_does_not_answer_for_a_while_costs_the_server_nothing():
    stat = FileStat('m', 1, '2')
    looks = iter([InputError('refused', where='', do=''), RunFailed('down', where='', do=''), (stat,), (stat,)])

    class Elsewhere(Export):
        def mark(self):
            if isinstance(look := next(looks), Failure):
                raise look
            return look

    class Told(Keeper):
        async def put(self, load):
            raise Enough

    metrics = Metrics()
    keeper = Told(Service(Manner('m'), metrics), Machinery(Batching(), 1), metrics)
    with pytest.raises(Enough):
        asyncio.run(keeper.follow(Elsewhere('m', servers.FakeAnswerer), None, 0))
    assert next(looks, None) is None


def test_a_model_on_an_object_store_is_served_and_followed(tiny_model, new_model, gcs):
    def upload(model: str) -> None:
        # saved_model.pb last: what comes before it belongs to it.
        names = [listed.uri for listed in files.list_dir(model, recursive=True)]
        for name in sorted(names, key=lambda name: name.endswith('.pb')):
            files.copy(name, f'gs://{BUCKET}/served/{name[len(model) + 1 :]}')

    def trees() -> set[str]:
        return {name for name in os.listdir(near.folder()) if name.startswith('tree-')}

    upload(tiny_model)
    before = trees()  # of tests that this process has run
    with servers.serving(model_dir=f'gs://{BUCKET}/served', reload_secs=0.05) as server:
        assert len(server.post('/predict', picture_bytes('red')).json['scores']) == 3
        upload(new_model)
        servers.until(lambda: version(server) == '2')
        assert len(server.post('/predict', picture_bytes('red')).json['scores']) == 4
    assert trees() == before

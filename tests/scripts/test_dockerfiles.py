"""Dockerfiles by rules, because no Docker runs here: pinned, without rights, of files that exist, told how to end."""

import ast
import json
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

from predict import server_config, web

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / 'scripts' / 'docker').glob('*.Dockerfile'))
SERVER, WORKER, TRAINER = (
    ROOT / 'scripts' / 'docker' / f'{name}.Dockerfile' for name in ('server', 'beam_worker', 'trainer')
)
HARNESS = '/opt/apache/beam/boot'


class Instruction(NamedTuple):
    """One instruction of a Dockerfile."""

    name: str
    words: str


def instructions(path: Path) -> list[Instruction]:
    """What is in a file, with the defaults of its arguments put in."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith('#')]
    whole = '\n'.join(lines).replace('\\\n', ' ')
    for name, default in arguments(path).items():
        whole = whole.replace(f'${{{name}}}', default)
    return [Instruction(*line.split(maxsplit=1)) for line in whole.splitlines()]


def arguments(path: Path) -> dict[str, str]:
    return dict(re.findall(r'^ARG (\w+)=(\S+)$', path.read_text(), flags=re.M))


def last_stage(path: Path) -> list[Instruction]:
    found = instructions(path)
    begin = max(place for place, one in enumerate(found) if one.name == 'FROM')
    return found[begin:]


def setup_argument(name: str) -> object:
    """A literal argument of setup(), read without running it."""
    tree = ast.parse((ROOT / 'setup.py').read_text())
    call = next(node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == 'setup')
    return next(keyword.value for keyword in call.keywords if keyword.arg == name)


def words_of(path: Path, name: str) -> list[str]:
    return [one.words for one in instructions(path) if one.name == name]


def test_there_is_one_for_the_server_the_beam_worker_and_the_trainer():
    assert sorted((SERVER, WORKER, TRAINER)) == FILES


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def file(request) -> Path:
    """Each of them."""
    return request.param


def test_every_base_is_pinned_to_a_version(file):
    bases = words_of(file, 'FROM')
    assert [
        base for base in bases if not re.match(r'[\w./-]+:[\w.-]*\d[\w.-]*( AS \w+)?$', base) or ':latest' in base
    ] == []


def test_it_runs_as_a_user_without_rights_and_none_is_taken_back(file):
    stage = last_stage(file)
    users = [one.words for one in stage if one.name == 'USER']
    assert users and all(re.fullmatch(r'[1-9]\d*(:[1-9]\d*)?', user) for user in users)
    after = stage[[one.name for one in stage].index('USER') :]
    assert [one for one in after if one.name in ('RUN', 'COPY', 'ADD')] == []


def test_what_it_starts_is_a_process_of_its_own_that_hears_signals(file):
    (entry,) = words_of(file, 'ENTRYPOINT')
    start = json.loads(entry)
    if file == WORKER:
        assert start == [HARNESS]
        return
    assert start[:2] == ['python', '-m'] and len(start) == 3
    assert (ROOT / (start[2].replace('.', '/') + '.py')).exists()


def test_what_it_copies_exists_and_is_let_through(file):
    ignored = [line for line in (ROOT / '.dockerignore').read_text().splitlines() if line and line[0] != '#']
    kept = [line[1:] for line in ignored if line.startswith('!')]
    for copied in words_of(file, 'COPY'):
        if copied.startswith('--from='):
            continue
        for source in shlex.split(copied)[:-1]:
            assert list(ROOT.glob(source)), source
            assert any(fnmatch(source, pattern) for pattern in kept), source


def test_what_it_copies_is_all_that_is_packaged(file):
    sources = {word for words in words_of(file, 'COPY') for word in shlex.split(words)[:-1]}
    copied = {path.name for source in sources if not source.startswith(('/', '--')) for path in ROOT.glob(source)}
    modules = [f'{name}.py' for name in ast.literal_eval(setup_argument('py_modules'))]
    assert {*ast.literal_eval(setup_argument('packages')), *modules, 'setup.py', 'pyproject.toml'} <= copied


def test_the_extras_it_installs_exist(file):
    extras = {ast.literal_eval(key) for key in setup_argument('extras_require').keys}
    asked = re.findall(r"'\.\[([\w,]+)\]'", ' '.join(words_of(file, 'RUN')))
    assert asked and {extra for some in asked for extra in some.split(',')} <= extras


def test_nothing_is_fetched_unseen_and_no_secret_is_in_it(file):
    text = file.read_text()
    assert words_of(file, 'ADD') == []
    assert not re.search(r'curl|wget|\bsudo\b|--trusted-host|chmod 777', text)
    assert not re.search(r'(?i)^(ARG|ENV).*(secret|token|passw|api_?key)', text, flags=re.M)
    assert 'PIP_NO_CACHE_DIR=1' in text or '--no-cache-dir' in text


def test_the_server_is_looked_after_and_its_environment_is_a_configuration():
    environment = dict(re.findall(r'(AIP_\w+)=(\S+)', ' '.join(words_of(SERVER, 'ENV'))))
    config = web._config(web._parser().parse_args([]), environment)
    assert (config.model_dir, config.host, config.port) == ('/model', '0.0.0.0', 8080)
    assert words_of(SERVER, 'EXPOSE') == [environment['AIP_HTTP_PORT']]
    assert words_of(SERVER, 'STOPSIGNAL') == ['SIGTERM']
    (check,) = words_of(SERVER, 'HEALTHCHECK')
    command = json.loads(check[check.index('CMD') + 3 :])
    compile(command[2], 'HEALTHCHECK', 'exec')
    assert '/healthz' in command[2] and command[:2] == ['python', '-c']
    assert server_config.from_environment({}) == {}


def setup_text() -> str:
    return (ROOT / 'setup.py').read_text()


def test_the_worker_has_the_harness_of_its_python_and_its_beam():
    given = arguments(WORKER)
    assert f'apache/beam_python{given["PYTHON"]}_sdk:{given["BEAM"]} AS harness' in words_of(WORKER, 'FROM')
    assert words_of(WORKER, 'FROM')[-1] == f'python:{given["PYTHON"]}-slim-bookworm'
    assert f'"apache-beam[gcp]=={given["BEAM"]}"' in ' '.join(words_of(WORKER, 'RUN'))
    assert '--from=harness /opt/apache/beam /opt/apache/beam' in words_of(WORKER, 'COPY')


def test_the_workers_python_and_beam_are_ones_the_project_takes():
    given = arguments(WORKER)
    least, most = re.findall(r"'apache-beam\[gcp\]>=([\d.]+),<([\d.]+)'", setup_text())[0]
    oldest, newest = re.findall(r"python_requires='>=([\d.]+),<([\d.]+)'", setup_text())[0]

    def parts(version: str) -> tuple[int, ...]:
        return tuple(map(int, version.split('.')))

    assert parts(least) <= parts(given['BEAM']) < parts(most)
    assert parts(oldest) <= parts(given['PYTHON']) < parts(newest)
    for path in (SERVER, TRAINER):
        (version,) = {re.findall(r'python:([\d.]+)-', base)[0] for base in words_of(path, 'FROM')}
        assert parts(oldest) <= parts(version) < parts(newest)


def test_the_harness_may_write_where_it_puts_what_a_job_brings_along():
    last = ' '.join(one.words for one in last_stage(WORKER) if one.name == 'RUN')
    (user,) = words_of(WORKER, 'USER')
    owner, _, group = user.partition(':')
    assert f'install -d -o {owner} -g {group} /opt/apache/beam-venv' in last


def test_no_base_or_package_is_for_graphics_cards(file):
    assert not re.search(r'(?i)cuda|nvidia|-gpu', file.read_text())


def test_the_trainer_holds_no_beam():
    (install,) = [words for words in words_of(TRAINER, 'RUN') if 'install ' in words]
    assert re.findall(r"'\.\[([\w,]+)\]'", install) == ['aws']


def test_what_is_ignored_is_everything_but_what_is_packaged():
    lines = [line for line in (ROOT / '.dockerignore').read_text().splitlines() if line and line[0] != '#']
    assert lines[0] == '*' and lines[-1] == '**/__pycache__'
    let_through = {line[1:] for line in lines if line.startswith('!')}
    assert let_through == {'setup.py', 'pyproject.toml', 'pipeline*.py', *ast.literal_eval(setup_argument('packages'))}

"""The documents keep up with the code: every flag, every module, every sample."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = {
    'pipeline': ['pipeline.py'],
    'preprocess.create_docs': ['-m', 'preprocess.create_docs'],
    'preprocess.run': ['-m', 'preprocess.run'],
    'preprocess.store': ['-m', 'preprocess.store'],
    'preprocess.frames': ['-m', 'preprocess.frames'],
    'preprocess.motion': ['-m', 'preprocess.motion'],
    'preprocess.ranges': ['-m', 'preprocess.ranges'],
    'trainer.task': ['-m', 'trainer.task'],
    'trainer.evaluate': ['-m', 'trainer.evaluate'],
    'trainer.baseline': ['-m', 'trainer.baseline'],
    'trainer.export': ['-m', 'trainer.export'],
    'predict.local': ['-m', 'predict.local'],
    'predict.batch': ['-m', 'predict.batch'],
    'predict.images_to_json': ['-m', 'predict.images_to_json'],
    'predict.web': ['-m', 'predict.web'],
}


def documents() -> str:
    return '\n'.join(path.read_text() for path in [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))])


@pytest.fixture(scope='module', params=sorted(COMMANDS))
def help_text(request: pytest.FixtureRequest) -> str:
    ended = subprocess.run(
        [sys.executable, *COMMANDS[request.param], '--help'],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        env={**os.environ, 'COLUMNS': '100'},
    )
    assert (ended.returncode, ended.stderr) == (0, '')
    return ended.stdout


def test_every_flag_is_documented(help_text: str) -> None:
    flags = set(re.findall(r'^\s+(?:-\w, )?(--\w+)', help_text, flags=re.M)) - {'--help'}
    assert flags
    text = documents()
    assert sorted(flag for flag in flags if not re.search(re.escape(flag) + r'\b', text)) == []


def test_every_flag_has_help_text(help_text: str) -> None:
    # A flag's entry runs to the next one; its help stands after two spaces or on the lines below.
    entries = re.split(r'^  (?=-)', help_text, flags=re.M)[1:]
    silent = [entry.split()[0] for entry in entries if len(re.split(r'\s{2,}|\n', entry.strip(), maxsplit=1)) < 2]
    assert silent == []


def test_every_module_is_on_the_map() -> None:
    readme = (ROOT / 'README.md').read_text()
    modules = [
        path.name
        for package in ('preprocess', 'trainer', 'predict')
        for path in sorted((ROOT / package).glob('*.py'))
        if path.name != '__init__.py'
    ]
    assert [name for name in modules if name not in readme] == []


def test_every_rejection_reason_is_in_the_formats() -> None:
    from preprocess.reasons import REASONS

    text = (ROOT / 'docs' / 'formats.md').read_text()
    assert [reason for reason in REASONS if f'`{reason}`' not in text] == []


def json_samples() -> list[str]:
    return re.findall(r'```json\n(.*?)\n```', (ROOT / 'docs' / 'formats.md').read_text(), flags=re.S)


def test_the_sample_manifest_is_one(tmp_path: Path) -> None:
    from preprocess.manifest import Manifest

    (tmp_path / 'manifest.eval.json').write_text(json_samples()[0])
    found = Manifest.read(str(tmp_path / 'manifest.eval.json'))
    assert (found.name, found.vector_size, found.rows.read) == ('eval', 256, 50)
    found.write(str(tmp_path / 'again.json'))
    assert json.loads((tmp_path / 'again.json').read_text()) == json.loads(json_samples()[0])


def test_the_sample_reject_request_and_answer_are_ones() -> None:
    from predict.answers import Prediction, Style
    from predict.request import parse
    from preprocess.rows import Reject

    _, reject, frames, request, answer = json_samples()
    assert Reject(**json.loads(reject)).reason == 'missing'
    assert Reject(**json.loads(frames)).frames == 12
    (picture,) = parse(request.encode(), where='the sample')
    assert picture.key == '1.jpg'
    style = Style(('daisy', 'rose'), multi_label=False)
    assert style.json(Prediction('1.jpg', 0, 'daisy', (0.97, 0.03), ('daisy',))) == json.loads(answer)


def test_the_sample_csv_with_a_header_reads_as_it_says(tmp_path: Path) -> None:
    from preprocess.rows import Row, read_csv

    text = (ROOT / 'docs' / 'formats.md').read_text()
    sample = re.search(r'((?:^    .*\n)+)', text[text.index('    image,label,split,group') :], flags=re.M)
    assert sample
    (tmp_path / 'a.csv').write_text('\n'.join(line.strip() for line in sample[1].splitlines()))
    rows = [row for row in read_csv(str(tmp_path / 'a.csv')) if isinstance(row, Row)]
    assert [(row.cell, row.labels, row.split, row.group) for row in rows] == [
        ('1.jpg', ('daisy', 'yellow'), 'train', 'garden-a'),
        ('2.jpg', ('rose',), 'eval', 'garden-b'),
    ]


def test_every_file_a_document_links_to_exists() -> None:
    for document in [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]:
        for target in re.findall(r'\]\((?!https?:)([^)#]+)', document.read_text()):
            assert (document.parent / target).exists(), f'{document.name} links to {target}'


def test_the_code_names_no_registry_host() -> None:
    # Split, so that this file doesn't name one either.
    hosts = ['pypi' + '.org', 'python' + 'hosted', 'deb.' + 'debian', 'registry.' + 'npmjs']
    tracked = subprocess.run(['git', 'ls-files'], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    for name in tracked:
        body = (ROOT / name).read_bytes().decode(errors='replace') if (ROOT / name).is_file() else ''
        assert [host for host in hosts if host in body] == [], name


def test_every_reason_and_route_of_the_server_is_in_the_formats() -> None:
    from predict import openapi
    from predict.refusals import STATUSES

    text = (ROOT / 'docs' / 'formats.md').read_text()
    section = text[text.index('## Over the wire') :]
    rows = [line for line in section.splitlines() if re.match(r'\| \d{3}', line)]
    told = {reason for row in rows for reason in re.findall(r'`([a-z-]+)`', row) if str(STATUSES.get(reason)) in row}
    assert set(STATUSES) - told == set()
    paths = openapi.document()['paths']
    assert isinstance(paths, dict)
    assert [path for path in paths if path.replace('{name}', 'NAME') not in section] == []


def test_the_server_has_a_status_for_every_reason_a_picture_can_have() -> None:
    from predict.refusals import STATUSES

    sources = ['images', 'image_formats', 'image_guards', 'decoders']
    text = '\n'.join((ROOT / 'preprocess' / f'{name}.py').read_text() for name in sources)
    reasons = set(re.findall(r"(?:ImageError|_refusal)\('([\w-]+)'", text))
    assert len(reasons) >= 6 and reasons <= set(STATUSES)


def test_the_figures_of_the_readme_are_those_that_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    results = importlib.import_module('results')
    said = (ROOT / 'README.md').read_text().partition(results.BEGIN)[2].partition(results.END)[0]
    assert said == results.quoted()

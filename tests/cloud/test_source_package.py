"""The package that machines of the cloud install, from a checkout and from an installed copy."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from preprocess import source_package
from preprocess.failures import InputError

ROOT = Path(__file__).parents[2]


def names(package: source_package.SourcePackage) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(package.data)) as archive:
        return {member.name for member in archive.getmembers()}


def read(package: source_package.SourcePackage, name: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(package.data)) as archive:
        opened = archive.extractfile(f'headlight-0.1.0/{name}')
        assert opened
        return opened.read().decode()


def test_of_a_checkout_it_holds_every_tracked_file_of_the_packages_and_nothing_else(
    package: source_package.SourcePackage,
) -> None:
    listed = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard', *source_package.PACKAGES, 'pipeline*.py'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    wanted = {*(name for name in listed if (ROOT / name).exists()), 'setup.py', 'pyproject.toml', 'PKG-INFO'}
    assert names(package) == {f'headlight-0.1.0/{name}' for name in wanted}


def installed_at(folder: Path) -> Path:
    """What pip leaves of the distribution, without its code."""
    for package in source_package.PACKAGES:
        (folder / package / '__pycache__').mkdir(parents=True)
        (folder / package / '__init__.py').write_text('')
        (folder / package / '__pycache__' / 'x.pyc').write_bytes(b'')
    (folder / 'trainer' / 'templates').mkdir()
    (folder / 'trainer' / 'templates' / 'a.html').write_text('<p>')
    (folder / 'pipeline.py').write_text('main = None')
    (folder / 'pipeline_of_a_stranger.py').write_text('')
    about = folder / 'headlight-0.1.0.dist-info'
    about.mkdir()
    (about / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: headlight\nVersion: 0.1.0\nRequires-Python: >=3.11\n'
        'Requires-Dist: tensorflow>=2.19\nRequires-Dist: apache-beam; extra == "beam"\n'
    )
    (about / 'RECORD').write_text('pipeline.py,,\ntrainer/__init__.py,,\n')
    return folder


def test_of_an_installed_copy_it_says_what_pip_has_written_down(tmp_path: Path, monkeypatch) -> None:
    home = installed_at(tmp_path)
    monkeypatch.syspath_prepend(str(home))
    package = source_package.build(home)
    below = {'preprocess/__init__.py', 'trainer/__init__.py', 'trainer/templates/a.html', 'predict/__init__.py'}
    more = {'pipeline.py', 'setup.py', 'pyproject.toml', 'PKG-INFO'}
    assert names(package) == {f'headlight-0.1.0/{name}' for name in below | more}


def test_setup_of_an_installed_copy_asks_for_what_the_trainer_needs_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(installed_at(tmp_path)))
    text = read(source_package.build(tmp_path), 'setup.py')
    said: dict = {}
    exec(text.replace('from setuptools import setup', ''), {'setup': lambda **words: said.update(words)})
    assert said['install_requires'] == ['tensorflow>=2.19']
    assert (said['name'], said['version'], said['python_requires']) == ('headlight', '0.1.0', '>=3.11')
    assert said['py_modules'] == ['pipeline']


def test_code_that_is_neither_a_checkout_nor_installed_is_told_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(source_package, 'NAME', 'nobody-has-installed-this')
    with pytest.raises(InputError, match=r'no setup\.py beside the code'):
        source_package.build(tmp_path)

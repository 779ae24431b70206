"""The package that Dataflow's workers install: the code they run, and of what it needs only what a job uses.

Versions are of the series installed here, so that workers compute what this machine would; a container that has them
already installs nothing but this code.
"""

import importlib.metadata
import os
import shutil
from dataclasses import dataclass

import preprocess
from preprocess import pixel_encoders
from preprocess.sets import EmbeddingJob

NAME = 'headlight-worker'
# How much of a version must be as here: 2 of 2.21.1 is 2.21.*, 1 is 2.*.
_PARTS = {
    'google-cloud-storage': 1,
    'google-crc32c': 1,
    'numpy': 1,
    'pillow': 1,
    'tensorflow': 2,
    'openvino': 2,
    'av': 1,
    'openpyxl': 2,
}
_ALWAYS = ('google-cloud-storage', 'google-crc32c', 'numpy', 'pillow')
_SETUP = """from setuptools import setup

setup(
    name={name!r},
    version={version!r},
    packages={packages!r},
    package_data={{'preprocess': ['mini/*']}},
    install_requires={requirements!r},
)
"""


@dataclass(frozen=True)
class Needs:
    """What a job's workers import: packages of ours, and others beside Beam, which their container has."""

    packages: tuple[str, ...]
    others: tuple[str, ...]


def write(folder: str, needs: Needs) -> str:
    """The package's source in a folder; the path of its setup.py, as Beam's --setup_file wants it."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(preprocess.__file__ or '')))
    for package in needs.packages:
        ignored = shutil.ignore_patterns('__pycache__', '*.pyc')
        shutil.copytree(os.path.join(home, package), os.path.join(folder, package), ignore=ignored)
    requirements = sorted(requirement(name) for name in needs.others)
    text = _SETUP.format(name=NAME, version=_version(), packages=list(needs.packages), requirements=requirements)
    # Without a README the build warns, on the user's terminal.
    for name, content in {'setup.py': text, 'README': f'{NAME}: what the workers of a job run.\n'}.items():
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as opened:
            opened.write(content)
    return os.path.join(folder, 'setup.py')


def needs_of(job: EmbeddingJob) -> Needs:
    """What a job's workers import."""
    encoder = job.sets[0].encoder
    wanted = [*_ALWAYS, *job.needs]
    if not pixel_encoders.is_pixels(encoder.spec):
        wanted.append(encoder.engine)
    if job.may_have_footage and _is_installed('av'):
        wanted.append('av')
    return Needs(job.packages, tuple(dict.fromkeys(wanted)))


def requirement(name: str) -> str:
    """A package in the series that is installed here."""
    numbers = importlib.metadata.version(name).split('.')
    parts = _PARTS[name]
    return f'{name}=={".".join(numbers[:parts])}.*'


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _version() -> str:
    try:
        return importlib.metadata.version('headlight')
    except importlib.metadata.PackageNotFoundError:
        return '0'  # run from a checkout that nobody installed

"""The package that Dataflow's workers install: this package's code alone, and of what it needs only what a job uses.

Versions are of the series installed here, so that workers compute what this machine would; a container that has them
already installs nothing but this code.
"""

import importlib.metadata
import os
import shutil
from collections.abc import Iterable

import preprocess
from preprocess import pixel_encoders
from preprocess.sets import EmbeddingJob

NAME = 'headlight-worker'
PACKAGE = 'preprocess'
# How much of a version must be as here: 2 of 2.21.1 is 2.21.*, 1 is 2.*.
_PARTS = {
    'google-cloud-storage': 1,
    'google-crc32c': 1,
    'numpy': 1,
    'pillow': 1,
    'tensorflow': 2,
    'openvino': 2,
    'av': 1,
}
_ALWAYS = ('google-cloud-storage', 'google-crc32c', 'numpy', 'pillow')
_SETUP = """from setuptools import setup

setup(
    name={name!r},
    version={version!r},
    packages=[{package!r}],
    package_data={{{package!r}: ['mini/*']}},
    install_requires={requirements!r},
)
"""


def write(folder: str, needs: Iterable[str]) -> str:
    """The package's source in a folder; the path of its setup.py, as Beam's --setup_file wants it."""
    home = os.path.dirname(os.path.abspath(preprocess.__file__ or ''))
    shutil.copytree(home, os.path.join(folder, PACKAGE), ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
    requirements = sorted(requirement(name) for name in needs)
    text = _SETUP.format(name=NAME, version=_version(), package=PACKAGE, requirements=requirements)
    setup_file = os.path.join(folder, 'setup.py')
    with open(setup_file, 'w', encoding='utf-8') as opened:
        opened.write(text)
    return setup_file


def needs_of(job: EmbeddingJob) -> tuple[str, ...]:
    """What a job's workers import beside Beam, which their container has."""
    encoder = job.sets[0].encoder
    wanted = list(_ALWAYS)
    if not pixel_encoders.is_pixels(encoder.spec):
        wanted.append(encoder.engine)
    if job.may_have_footage and _is_installed('av'):
        wanted.append('av')
    return tuple(wanted)


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

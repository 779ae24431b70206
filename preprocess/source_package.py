"""This package as a source distribution, for machines that are to run it; the same code gives the same bytes.

Made of the checkout the code was imported from, or, where it was installed, of the installed files: no build tool.
"""

import gzip
import hashlib
import importlib.metadata
import io
import json
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import preprocess
from preprocess import files
from preprocess.failures import InputError

NAME = 'headlight'
PACKAGES = ('preprocess', 'trainer', 'predict')
_BUILD_FILES = ('setup.py', 'pyproject.toml')
# Twelve digits of the content tell packages in one folder apart.
_TOLD_APART_BY = 12
# Nearly as small as the best, in a third of the time.
_LEVEL = 6
_EXTRA = re.compile(r'extra\s*==')


@dataclass(frozen=True)
class SourcePackage:
    """A .tar.gz that pip installs."""

    file_name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def stage(self, folder: str) -> str:
        """Where it lies below a folder that machines of the cloud can read; written only when it isn't there yet."""
        uri = files.join(folder, self.sha256[:_TOLD_APART_BY], self.file_name)
        if not files.exists(uri):
            files.write_atomic(uri, self.data)
        return uri


def build(home: Path | None = None) -> SourcePackage:
    """The package; `home` is the folder its code is in (default: where this module was imported from)."""
    home = home or Path(os.path.abspath(preprocess.__file__ or '')).parents[1]
    is_checkout = all((home / name).is_file() for name in _BUILD_FILES)
    content = _of_packages(home)
    content |= _of_checkout(home) if is_checkout else _of_installed(home)
    version = _version(content['setup.py'].decode())
    content['PKG-INFO'] = f'Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n'.encode()
    root = f'{NAME}-{version}'
    return SourcePackage(f'{root}.tar.gz', _archive(root, content))


def _of_packages(home: Path) -> dict[str, bytes]:
    found = [path for package in PACKAGES for path in (home / package).rglob('*') if path.is_file()]
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in found
        if '__pycache__' not in path.parts and not path.name.startswith('.')
    }


def _of_checkout(home: Path) -> dict[str, bytes]:
    modules = [path.name for path in home.glob('pipeline*.py')]
    return {name: (home / name).read_bytes() for name in (*_BUILD_FILES, *modules)}


def _of_installed(home: Path) -> dict[str, bytes]:
    """What setup.py would have said, of what pip has written down."""
    try:
        installed = importlib.metadata.distribution(NAME)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            'there is no setup.py beside the code, and it is not installed: no package can be made of it',
            where=str(home),
            do=f'run from a checkout, or install it: pip install {NAME}',
        ) from None
    top = [file.name for file in installed.files or () if len(file.parts) == 1 and file.suffix == '.py']
    modules = sorted({name.removesuffix('.py') for name in top if (home / name).is_file()} - {'setup'})
    said = {
        'name': NAME,
        'version': installed.version,
        'python_requires': installed.metadata['Requires-Python'],
        'packages': list(PACKAGES),
        'py_modules': modules,
        'package_data': dict.fromkeys(PACKAGES, ['*/*']),
        'install_requires': [one for one in installed.requires or () if not _EXTRA.search(one)],
    }
    arguments = ''.join(f'    {name}={value!r},\n' for name, value in said.items())
    build_system = {'requires': ['setuptools>=68'], 'build-backend': 'setuptools.build_meta'}
    table = ''.join(f'{name} = {json.dumps(value)}\n' for name, value in build_system.items())
    return {
        'setup.py': f'from setuptools import setup\n\nsetup(\n{arguments})\n'.encode(),
        'pyproject.toml': f'[build-system]\n{table}'.encode(),
        **{f'{name}.py': (home / f'{name}.py').read_bytes() for name in modules},
    }


def _version(setup: str) -> str:
    found = re.search(r"version='([^']+)'", setup)
    if not found:
        raise InputError('setup.py names no version', where='setup.py', do="write version='…' into it")
    return found[1]


def _archive(root: str, content: Mapping[str, bytes]) -> bytes:
    """A tar without times, owners or the order of a disk: they would make the same code another package."""
    packed = io.BytesIO()
    with gzip.GzipFile('', 'wb', _LEVEL, packed, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode='w') as archive:
        for name in sorted(content):
            entry = tarfile.TarInfo(f'{root}/{name}')
            entry.size, entry.mode = len(content[name]), 0o644
            archive.addfile(entry, io.BytesIO(content[name]))
    return packed.getvalue()

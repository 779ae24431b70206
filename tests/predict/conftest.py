from pathlib import Path

import pytest

from tests.models import picture_bytes, write_tiny


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that names a picture's colour: red, green or blue."""
    return write_tiny(tmp_path_factory.mktemp('tiny') / 'model')


@pytest.fixture(scope='session')
def several_labels_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same with --multi_label."""
    return write_tiny(tmp_path_factory.mktemp('several') / 'model', multi_label=True)


@pytest.fixture
def coloured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with red.jpg, green.jpg and blue.jpg in it."""
    monkeypatch.chdir(tmp_path)
    for colour in ('red', 'green', 'blue'):
        (tmp_path / f'{colour}.jpg').write_bytes(picture_bytes(colour))
    return tmp_path

"""Project, region and name of a job, wherever they come from."""

import getpass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preprocess import cloud_place
from preprocess.cloud_place import CloudPlace
from preprocess.failures import UsageError

NOON = datetime(2026, 3, 1, 12, 30, 59, tzinfo=UTC)
CONFIGURED = '[core]\nproject = of-gcloud\naccount = me@lab.org\n[compute]\nregion = us-east1\n'


def gcloud(folder: Path, text: str = CONFIGURED, *, name: str = 'default') -> dict[str, str]:
    (folder / 'configurations').mkdir(exist_ok=True)
    (folder / 'configurations' / f'config_{name}').write_text(text)
    return {'CLOUDSDK_CONFIG': str(folder)}


def test_a_flag_wins_over_the_environment_and_that_over_gcloud(tmp_path: Path) -> None:
    told = gcloud(tmp_path)
    assert cloud_place.find(None, None, variables=told) == CloudPlace('of-gcloud', 'us-east1')
    told |= {'GOOGLE_CLOUD_PROJECT': 'of-environment', 'CLOUDSDK_COMPUTE_REGION': 'europe-west4'}
    assert cloud_place.find(None, None, variables=told) == CloudPlace('of-environment', 'europe-west4')
    assert cloud_place.find('of-flags', 'asia-east1', variables=told) == CloudPlace('of-flags', 'asia-east1')


def test_gclouds_active_configuration_is_the_one_that_counts(tmp_path: Path) -> None:
    told = gcloud(tmp_path) | gcloud(tmp_path, '[core]\nproject=another\n[dataflow]\nregion=us-west1\n', name='other')
    (tmp_path / 'active_config').write_text('other\n')
    assert cloud_place.find(None, None, variables=told) == CloudPlace('another', 'us-west1')
    told['CLOUDSDK_ACTIVE_CONFIG_NAME'] = 'default'
    assert cloud_place.find(None, None, variables=told) == CloudPlace('of-gcloud', 'us-east1')


def test_credentials_know_their_project(tmp_path: Path) -> None:
    (tmp_path / 'key.json').write_text('{"type": "service_account", "project_id": "of-the-key"}')
    told = {'CLOUDSDK_CONFIG': str(tmp_path), 'GOOGLE_APPLICATION_CREDENTIALS': str(tmp_path / 'key.json')}
    assert cloud_place.find(None, 'us-east1', variables=told).project == 'of-the-key'
    (tmp_path / 'application_default_credentials.json').write_text('{"quota_project_id": "who-pays"}')
    assert cloud_place.find(None, 'us-east1', variables={'CLOUDSDK_CONFIG': str(tmp_path)}).project == 'who-pays'


@pytest.mark.parametrize(
    ('project', 'region', 'flag', 'remedy'),
    [
        (None, 'us-east1', '--project', 'gcloud config set project'),
        ('a-project', None, '--region', 'gcloud config set compute/region'),
        ('My Project', 'us-east1', '--project', 'gcloud projects list'),
        ('123456789012', 'us-east1', '--project', 'that is its number'),
        ('a-project', 'us-east1-b', '--region', 'give its region, us-east1'),
        ('a-project', 'Frankfurt', '--region', 'gcloud compute regions list'),
    ],
)
def test_what_is_missing_or_none_is_told_with_its_remedy(
    tmp_path: Path, project: str | None, region: str | None, flag: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as raised:
        cloud_place.find(project, region, variables={'CLOUDSDK_CONFIG': str(tmp_path)})
    assert raised.value.where == flag
    assert remedy in raised.value.do


def test_a_torn_configuration_of_gcloud_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='no project is known'):
        cloud_place.find(None, 'us-east1', variables=gcloud(tmp_path, 'project = without a section'))


@pytest.mark.parametrize(
    ('user', 'folder', 'name'),
    [
        ('ada', 'gs://bucket/flowers', 'headlight-ada-flowers-20260301-123059'),
        ('Ada.Lovelace', 'gs://b/My Photos_2', 'headlight-ada-lovelace-my-photos-2-20260301-123059'),
        ('José', 'gs://b/fleurs/out', 'headlight-jose-fleurs-out-20260301-123059'),
        ('ada@lab.org', 'gs://bucket', 'headlight-ada-bucket-20260301-123059'),
        ('李', 'gs://b/花/', 'headlight-b-20260301-123059'),
        ('x' * 40, f'gs://b/{"y-" * 40}', f'headlight-{"x" * 18}-{"y-" * 8}y-20260301-123059'),
    ],
)
def test_names_are_made_of_user_folder_and_time_and_are_legal(
    monkeypatch: pytest.MonkeyPatch, user: str, folder: str, name: str
) -> None:
    monkeypatch.setattr(getpass, 'getuser', lambda: user)
    made = cloud_place.job_name(None, folder, now=NOON)
    assert made == name
    assert cloud_place.job_name(made, folder) == made


def test_a_user_nobody_knows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError('uid not found: 1000')

    monkeypatch.setattr(getpass, 'getuser', nobody)
    assert cloud_place.job_name(None, 'gs://b/flowers', now=NOON) == 'headlight-flowers-20260301-123059'


@pytest.mark.parametrize(
    ('given', 'better'), [('Flowers.2', ': flowers-2'), ('2nd_try', ': nd-try'), ('-', 'at most'), ('a' * 64, 'a' * 63)]
)
def test_a_name_that_is_none_is_refused_with_the_nearest_one(given: str, better: str) -> None:
    with pytest.raises(UsageError) as raised:
        cloud_place.job_name(given, 'gs://b/out')
    assert raised.value.do.endswith(better)
    assert raised.value.where == '--job_name'

"""Where a cloud job runs, and what it is called: project and region from flags, environment or gcloud; legal names."""

import configparser
import getpass
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from preprocess.failures import UsageError

# Google's own rules, for projects, regions and names of Dataflow jobs. Labels hold 63 characters, as do names here.
_PROJECT = re.compile(r'(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]')
_REGION = re.compile(r'[a-z]+-[a-z]+\d{1,2}')
_ZONE = re.compile(r'([a-z]+-[a-z]+\d{1,2})-[a-z]')
_JOB_NAME = re.compile(r'[a-z]([-a-z0-9]{0,61}[a-z0-9])?')
_LONGEST_JOB_NAME = 63
_LONGEST_PART = 18
_PROJECT_VARIABLES = ('GOOGLE_CLOUD_PROJECT', 'CLOUDSDK_CORE_PROJECT', 'GCLOUD_PROJECT', 'GCP_PROJECT')
_REGION_VARIABLES = ('GOOGLE_CLOUD_REGION', 'CLOUDSDK_DATAFLOW_REGION', 'CLOUDSDK_AI_REGION', 'CLOUDSDK_COMPUTE_REGION')
_REGION_SETTINGS = (('dataflow', 'region'), ('ai', 'region'), ('compute', 'region'))


@dataclass(frozen=True)
class CloudPlace:
    """A project of Google Cloud, and one of its regions."""

    project: str
    region: str

    def __post_init__(self) -> None:
        if not _PROJECT.fullmatch(self.project):
            number = 'that is its number; ' if self.project.isdigit() else ''
            raise UsageError(
                f'{self.project!r} is no project id',
                where='--project',
                do=f'{number}give its id, in lower case (gcloud projects list shows them)',
            )
        if not _REGION.fullmatch(self.region):
            zone = _ZONE.fullmatch(self.region)
            raise UsageError(
                f'{self.region!r} is {"a zone" if zone else "no region"}',
                where='--region',
                do=f'give its region, {zone[1]}'
                if zone
                else 'give one like europe-west1 (gcloud compute regions list)',
            )


def find(project: str | None, region: str | None, *, variables: Mapping[str, str] | None = None) -> CloudPlace:
    """The place that flags name, else the environment, the credentials, gcloud's configuration."""
    told = os.environ if variables is None else variables
    settings = _gcloud_settings(told)
    found_project = (
        project or _first(told, _PROJECT_VARIABLES) or settings.get(('core', 'project')) or _project_of_key(told)
    )
    if not found_project:
        raise UsageError(
            'no project is known',
            where='--project',
            do='give it, set GOOGLE_CLOUD_PROJECT, or run `gcloud config set project PROJECT`',
        )
    found_region = (
        region or _first(told, _REGION_VARIABLES) or next(filter(None, map(settings.get, _REGION_SETTINGS)), '')
    )
    if not found_region:
        raise UsageError(
            'no region is known',
            where='--region',
            do='give the one your bucket is in, or run `gcloud config set compute/region REGION`',
        )
    return CloudPlace(found_project, found_region)


def job_name(given: str | None, folder: str, *, now: datetime | None = None) -> str:
    """A legal name for a job: the one given, or one of user, output folder and time."""
    if given is not None:
        if not _JOB_NAME.fullmatch(given):
            raise UsageError(
                f'{given!r} is no name for a job',
                where='--job_name',
                do='begin with a small letter, go on with small letters, digits and hyphens, 63 in all at most'
                + (f': {legal}' if (legal := _legal(given, _LONGEST_JOB_NAME).lstrip('-0123456789')) else ''),
            )
        return given
    moment = f'{now or datetime.now(UTC):%Y%m%d-%H%M%S}'
    parts = ['headlight', _legal(_user(), _LONGEST_PART), _legal(_last_part(folder), _LONGEST_PART), moment]
    return '-'.join(filter(None, parts))


def _legal(text: str, longest: int) -> str:
    """What of a text a name may hold; perhaps nothing."""
    plain = unicodedata.normalize('NFKD', text).encode('ascii', 'ignore').decode().lower()
    return re.sub(r'[^a-z0-9]+', '-', plain).strip('-')[:longest].strip('-')


def _last_part(folder: str) -> str:
    """What a run's folder is called; folders named `out` in every project are told apart by the one they are in."""
    parts = [part for part in folder.split('://')[-1].split('/') if part]
    return '-'.join(parts[-2:]) if len(parts) > 1 and len(parts[-1]) < 4 else ''.join(parts[-1:])


def _user() -> str:
    try:
        return getpass.getuser().partition('@')[0]
    except (OSError, KeyError):
        # In a container there may be neither USER nor an entry for the user.
        return ''


def _first(told: Mapping[str, str], names: Iterable[str]) -> str:
    return next((told[name] for name in names if told.get(name)), '')


def _gcloud_settings(told: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """gcloud's active configuration, read from its files: the command itself takes a second to start."""
    home = _gcloud_home(told)
    name = told.get('CLOUDSDK_ACTIVE_CONFIG_NAME') or _read(home / 'active_config').strip() or 'default'
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_read(home / 'configurations' / f'config_{name}'))
    except configparser.Error:
        return {}
    return {(section, key): value for section in parser.sections() for key, value in parser.items(section)}


def _gcloud_home(told: Mapping[str, str]) -> Path:
    if told.get('CLOUDSDK_CONFIG'):
        return Path(told['CLOUDSDK_CONFIG'])
    return Path(told['APPDATA'], 'gcloud') if told.get('APPDATA') else Path.home() / '.config' / 'gcloud'


def _project_of_key(told: Mapping[str, str]) -> str:
    """The project of the credentials: a key file's own, or the one that pays for the user's."""
    path = told.get('GOOGLE_APPLICATION_CREDENTIALS')
    try:
        said = json.loads(_read(Path(path) if path else _gcloud_home(told) / 'application_default_credentials.json'))
    except ValueError:
        return ''
    return str(said.get('project_id') or said.get('quota_project_id') or '') if isinstance(said, dict) else ''


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ''

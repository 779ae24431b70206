"""What must be right before anything is submitted, all looked at in under five seconds: a table of small checks."""

import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from preprocess import command, encoder_sources, files, gcs_files, shelves
from preprocess.applications import APPLICATIONS
from preprocess.cloud_place import CloudPlace
from preprocess.compiled import INFO_FILE
from preprocess.dataflow_config import DataflowConfig, check_on_bucket
from preprocess.dataflow_jobs import DataflowJobs
from preprocess.encoders import EncoderSpec
from preprocess.failures import Failure, InputError, RunFailed, UsageError
from preprocess.google_api import DISABLED, MISSING, Api, Refused, Service
from preprocess.progress import Progress, say

# What doesn't answer by then is taken not to answer at all: how old the command may be, and what it may take at least.
WITHIN_S = 4.6
_AT_LEAST_S = 3.5
COMPUTE = Service('Compute Engine', 'compute.googleapis.com', 'roles/compute.viewer')
# gcloud's own name for it: who reaches Google by another address has set it already.
COMPUTE_ENDPOINT = 'CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE'
_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
_GOOGLE = 'Google Cloud'
_WEIGHTS_HOST = ('storage.googleapis.com', 443)
_WAITS_FOR_WEIGHTS_S = 2.0


@dataclass(frozen=True)
class Check:
    """Something that may be wrong: `look` raises the Failure then; `what` is told when it takes too long."""

    what: str
    look: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """What a Dataflow job is to read and write, and with which encoder."""

    encoder: EncoderSpec
    store: str
    inputs: Mapping[str, str]  # by flag; comma lists and patterns
    image_root: str | None = None

    def __post_init__(self) -> None:
        given = {**self.inputs, '--embedding_store': self.store, '--image_root': self.image_root or self.store}
        for flag, paths in given.items():
            for path in parts(paths):
                check_on_bucket(flag, path)


def run(checks: Sequence[Check], *, within_s: float | None = None) -> None:
    """Look at everything at once; the first failure is raised, the others are told before it.

    Nothing else is asked of anybody before the credentials are known to be good.
    """
    left_s = max(WITHIN_S - _age_s(), _AT_LEAST_S)
    ends = time.monotonic() + (left_s if within_s is None else within_s)
    with Progress('checking credentials, services and buckets'):
        found = _failures([Check('the credentials', check_credentials)], ends) or _failures(checks, ends)
    for failure in found[1:]:
        say(failure.lines())
    if found:
        raise found[0]


def of_dataflow(config: DataflowConfig, embedding: Embedding, *, output_dir: str) -> list[Check]:
    """What a Dataflow job needs."""
    command.require('apache_beam', extra='beam', why='jobs on Dataflow')
    endpoint = config.beam_option('dataflow_endpoint')
    folders = (output_dir, config.staging_location, config.temp_location, embedding.store)
    return [
        Check('Dataflow', DataflowJobs(config.place, endpoint=endpoint).check),
        Check('Compute Engine', partial(check_region, config.place)),
        *of_buckets(folders, config.place),
        *(Check(paths, partial(check_input, paths)) for paths in embedding.inputs.values()),
        Check('the encoder', partial(check_encoder, embedding.encoder, embedding.store)),
    ]


def of_buckets(folders: Iterable[str], place: CloudPlace) -> list[Check]:
    """Every bucket among them is there and may be written; each is tried once, where it will be written first."""
    by_bucket = {folder.split('/')[2]: folder for folder in reversed(list(folders))}
    return [Check(f'gs://{bucket}', partial(check_writable, folder, place)) for bucket, folder in by_bucket.items()]


def check_credentials() -> None:
    """Raise when there are none, or Google takes them no more."""
    from google.auth.exceptions import RefreshError, TransportError
    from google.auth.transport.requests import Request

    found, _ = gcs_files.credentials(_SCOPE, where=_GOOGLE)
    try:
        found.refresh(Request())  # type: ignore[attr-defined]  # google-auth's credentials are untyped
    except RefreshError as error:
        raise gcs_files.refused(_words(error), where=_GOOGLE) from error
    except TransportError as error:
        raise RunFailed(
            f'nobody answers who could check the credentials: {gcs_files.cause(error)}',
            where=_GOOGLE,
            do='look whether the network is up; behind a proxy, set HTTPS_PROXY',
        ) from error


def check_region(place: CloudPlace) -> None:
    """Raise when machines can't be had there: workers are some of Compute Engine."""
    root = os.environ.get(COMPUTE_ENDPOINT) or f'https://{COMPUTE.api}'
    api = Api(COMPUTE, f'{root.rstrip("/")}/compute/v1', project=place.project)
    try:
        api.get(f'projects/{place.project}/regions/{place.region}')
    except Refused as refused:
        if refused.kind == MISSING:
            raise UsageError(
                f'there is no region {place.region} (or no project {place.project})',
                where='--region',
                do='give one that `gcloud compute regions list` shows',
            ) from refused
        if refused.kind == DISABLED:
            raise
        # Who may start jobs need not be allowed to look at regions.


def check_writable(folder: str, place: CloudPlace) -> None:
    """Raise when a bucket isn't there, or may not be written; a file is put there and taken away again."""
    probe, bucket = files.join(folder, f'.preflight-{uuid.uuid4().hex[:12]}'), folder.split('/')[2]
    try:
        files.write_atomic(probe, b'')
        files.delete(probe)
    except PermissionError as error:
        grant = f'gcloud storage buckets add-iam-policy-binding gs://{bucket}'
        raise InputError(
            f'you may not write there ({error.strerror})',
            where=folder,
            do=f'choose another bucket, or have its owner run `{grant} --member=… --role=roles/storage.objectAdmin`',
        ) from error
    except InputError as error:
        if 'bucket' not in error.what:
            raise
        raise InputError(
            error.what,
            where=f'gs://{bucket}',
            do=f'make it (gcloud storage buckets create gs://{bucket} --location={place.region} '
            f'--project={place.project}), or correct the path',
        ) from error


def check_input(paths: str) -> None:
    """Raise when there is neither a file nor a folder, nor what a pattern or a comma list names."""
    if files.is_dir(paths) or files.exists(paths):
        return
    for path in parts(paths):
        if not files.glob(path):
            raise InputError('there is no such file or folder', where=path, do='check the path')


def parts(paths: str) -> list[str]:
    """The paths of a comma list."""
    return [path for path in map(str.strip, paths.split(',')) if path]


def check_encoder(spec: EncoderSpec, store: str) -> None:
    """Raise when the encoder is neither staged in the store nor can be made here."""
    source = spec.source
    if isinstance(source, encoder_sources.ApplicationSource) and source.weights is None:
        staged = files.join(shelves.encoder_folder(store, spec.key()), shelves.ENCODER, INFO_FILE)
        if not files.exists(staged) and not _has_weights(source.name):
            raise InputError(
                f'the ImageNet weights of {source.name} are neither in the store nor here, and can not be fetched',
                where=f'--encoder {source.name}',
                do='give --encoder_weights FILE (Keras .h5, .weights.h5, .keras), or --encoder DIR',
            )


def _has_weights(name: str) -> bool:
    """Whether Keras has them in its cache, or could fetch them."""
    home = os.environ.get('KERAS_HOME') or os.path.expanduser('~/.keras')
    if os.path.exists(os.path.join(home, 'models', APPLICATIONS[name].weights_file)):
        return True
    try:
        socket.create_connection(_WEIGHTS_HOST, timeout=_WAITS_FOR_WEIGHTS_S).close()
    except OSError:
        return False
    return True


def _failures(checks: Sequence[Check], ends: float) -> list[Failure]:
    """What is wrong, in the order of the table; bugs are raised as they are."""
    found: list[BaseException | None] = [None] * len(checks)

    def look(number: int) -> None:
        try:
            checks[number].look()
        except BaseException as error:
            found[number] = error

    # Daemons, because one that gets no answer must not keep the command from ending.
    threads = [threading.Thread(target=look, args=(number,), daemon=True) for number in range(len(checks))]
    for thread in threads:
        thread.start()
    for number, thread in enumerate(threads):
        thread.join(max(ends - time.monotonic(), 0))
        if thread.is_alive():
            found[number] = _no_answer(checks[number])
    for error in found:
        if error is not None and not isinstance(error, Failure):
            raise error
    return [error for error in found if isinstance(error, Failure)]


def _age_s() -> float:
    """How long ago this process was started; 0 where the system doesn't tell."""
    try:
        with open('/proc/self/stat', 'rb') as opened:
            # The command's name may hold spaces and brackets: fields count from the last bracket.
            ticks = int(opened.read().rsplit(b')', 1)[1].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf('SC_CLK_TCK')
    except OSError:
        return 0.0


def _no_answer(check: Check) -> Failure:
    return RunFailed(
        'no answer in time', where=check.what, do='look whether the network is up, and run the same command again'
    )


def _words(error: Exception) -> str:
    """What Google says of credentials it doesn't take; the rest of the answer is for programs."""
    said = str(error.args[0]) if error.args else str(error)
    return re.split(r"[\n{']", said)[0].strip(' (,:') or type(error).__name__

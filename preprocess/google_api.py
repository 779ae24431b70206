"""Requests to the REST API of a service of Google Cloud: authorised, made again when it is busy, refusals explained."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from preprocess import gcs_files, retries
from preprocess.failures import InputError, RunFailed
from preprocess.progress import say
from preprocess.retries import Transient
from preprocess.settings import Json

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from requests import Response

T = TypeVar('T')
_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
# To be connected, and for the answer.
_TIMEOUT_S = (10.0, 60.0)
_TRANSIENT_STATUS = frozenset([408, 500, 502, 503, 504])
# Too many requests a minute pass by themselves; the service words a quota of machines that is used up alike.
_TOO_FAST = 429
_UNAUTHENTICATED_STATUS = 401
_A_MINUTE = ('per minute', 'rate', 'try again')
_TELL_AFTER_S = 5.0


class Unanswered(RunFailed):
    """The service could not be reached for as long as one waits for it."""


DISABLED, UNAUTHENTICATED, FORBIDDEN, MISSING, QUOTA, OTHER = (
    'disabled',
    'unauthenticated',
    'forbidden',
    'missing',
    'quota',
    'other',
)
_KINDS = {401: UNAUTHENTICATED, 403: FORBIDDEN, 404: MISSING, 429: QUOTA}


class Refused(InputError):
    """The service understood, and says no; `kind` is why."""

    def __init__(self, what: str, *, where: str, do: str, kind: str = OTHER) -> None:
        super().__init__(what, where=where, do=do)
        self.kind = kind

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.what, self.where, self.do, self.kind)


def _rebuild(what: str, where: str, do: str, kind: str) -> Refused:
    return Refused(what, where=where, do=do, kind=kind)


@dataclass(frozen=True)
class Service:
    """A service as people and Google's own tools call it."""

    title: str
    api: str
    role: str


VERTEX = Service('Vertex AI', 'aiplatform.googleapis.com', 'roles/aiplatform.user')


class Api:
    """One service at one address; http:// is a fake or a proxy of one's own, and gets no credentials."""

    def __init__(self, service: Service, root: str, *, project: str) -> None:
        self._service = service
        self._root = root.rstrip('/')
        self._project = project

    def get(self, path: str, **query: str) -> Mapping[str, Json]:
        """What there is at a path."""
        return self.persist(lambda: self.ask(path, **query))

    def ask(self, path: str, **query: str) -> Mapping[str, Json]:
        """As `get`, once: Transient when the service is to be asked again."""
        return self._request('GET', path, query, None)

    def post(self, path: str, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """The answer to something sent, once: Transient when nobody knows whether it arrived."""
        return self._request('POST', path, {}, body)

    def persist(self, attempt: Callable[[], T]) -> T:
        """What an attempt comes to, made again while it is Transient."""
        patience = retries.PATIENCE
        wait_s, begun, told = patience.first_s, time.monotonic(), 0.0
        while True:
            try:
                return attempt()
            except Transient as why:
                waited_s = time.monotonic() - begun
                if waited_s >= patience.in_all_s:
                    raise self._unanswered(str(why)) from why
                if waited_s - told >= _TELL_AFTER_S:
                    told = waited_s
                    say(f'{self._service.title}: {why}; trying again, for {patience.in_all_s:g} s in all')
                time.sleep(random.uniform(wait_s / 2, wait_s))
                wait_s = min(2 * wait_s, patience.most_s)

    def _request(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Json] | None
    ) -> Mapping[str, Json]:
        import requests
        from google.auth import exceptions as auth

        url = f'{self._root}/{path}'
        try:
            answer = self._session.request(method, url, params=dict(query), json=body, timeout=_TIMEOUT_S)
        except (auth.TransportError, requests.RequestException) as error:
            raise Transient(gcs_files.cause(error)) from error
        except auth.GoogleAuthError as error:
            raise self._refusal(_UNAUTHENTICATED_STATUS, str(error), disabled=False) from error
        if not answer.ok:
            raise self._of_answer(answer)
        return _mapping(answer)

    @cached_property
    def _session(self) -> 'AuthorizedSession':
        return session(self._root, title=self._service.title)

    def _of_answer(self, answer: 'Response') -> Exception:
        """The refusal in an answer, as what it asks of the user."""
        error = _mapping(answer).get('error')
        told = error if isinstance(error, dict) else {}
        said = str(told.get('message') or answer.reason or 'no reason given').strip().splitlines()[0]
        status = answer.status_code
        too_fast = status == _TOO_FAST and any(words in said.lower() for words in _A_MINUTE)
        if status in _TRANSIENT_STATUS or too_fast:
            return Transient(f'{status} {answer.reason}')
        return self._refusal(status, said, disabled='SERVICE_DISABLED' in answer.text)

    def _refusal(self, status: int, said: str, *, disabled: bool) -> Refused:
        service, where = self._service, f'{self._service.title}, project {self._project}'
        kind = DISABLED if disabled else _KINDS.get(status, OTHER)
        what = {
            DISABLED: f'{service.title} is not enabled in this project',
            UNAUTHENTICATED: f'{service.title} refuses the credentials ({said})',
        }
        do = {
            DISABLED: f'gcloud services enable {service.api} --project {self._project}, and wait a minute',
            UNAUTHENTICATED: gcs_files.LOG_IN,
            FORBIDDEN: f'have somebody give you the role {service.role} (or name another --project)',
            MISSING: 'check the project and the region',
            QUOTA: 'ask for more quota (console: IAM & Admin > Quotas), or take a smaller machine or another --region',
            OTHER: 'correct what it says and run the same command again',
        }
        return Refused(what.get(kind, f'{service.title} refuses: {said}'), where=where, do=do[kind], kind=kind)

    def _unanswered(self, why: str) -> Unanswered:
        return Unanswered(
            f'{self._service.title} does not answer: {why}',
            where=self._root,
            do='look whether the network is up; the same command continues',
        )


def session(root: str, *, title: str = 'Google Cloud') -> 'AuthorizedSession':
    """Requests with this machine's credentials; to a root that is plain http:// without any."""
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession

    if root.startswith('http://'):
        return AuthorizedSession(AnonymousCredentials())
    found, _ = gcs_files.credentials(_SCOPE, where=title)
    return AuthorizedSession(found)


def _mapping(answer: 'Response') -> Mapping[str, Json]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}

"""Asking a server over HTTP, in JSON: patient with a busy one, three lines about a failing one."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import cast
from urllib.parse import urlsplit

from preprocess.failures import InputError, RunFailed
from preprocess.settings import Json

_TIMEOUT_S = 60.0
_ATTEMPTS = 6
_LONGEST_WAIT_S = 10.0
_LONGEST_SAID = 200
_BUSY = (429, 503)
_DENIED = (401, 403)
_GOOGLE = ('.googleapis.com', '.vertexai.goog')
_SCOPE = 'https://www.googleapis.com/auth/cloud-platform'


class EndpointFailed(RunFailed):
    """A server elsewhere can't be reached, or did not answer as it should."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected token would be another server's."""

    def redirect_request(self, *_: object) -> None:
        return None


class Remote:
    """Requests to servers, in JSON; with the user's credentials where the server is Google's."""

    def __init__(self, wait: Callable[[float], None] = time.sleep) -> None:
        self._wait = wait
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._credentials: _GoogleCredentials | None = None

    def post(self, url: str, body: bytes) -> dict[str, Json]:
        """The answer to a JSON body."""
        return self._asked(url, body)

    def get(self, url: str) -> dict[str, Json]:
        """What is there."""
        return self._asked(url, None)

    def get_if_there(self, url: str) -> dict[str, Json]:
        """What is there, or nothing: servers differ in what they tell of themselves."""
        try:
            return self._asked(url, None)
        except (InputError, EndpointFailed):
            return {}

    @staticmethod
    def is_google(url: str) -> bool:
        """Whether a server wants Google's credentials."""
        parts = urlsplit(url)
        return parts.scheme == 'https' and (parts.hostname or '').endswith(_GOOGLE)

    def _asked(self, url: str, body: bytes | None) -> dict[str, Json]:
        for attempt in range(_ATTEMPTS):
            try:
                with self._opener.open(self._request(url, body), timeout=_TIMEOUT_S) as response:
                    return _json(response.read(), url)
            except urllib.error.HTTPError as error:
                said = error.read()
                if error.code not in _BUSY or attempt == _ATTEMPTS - 1:
                    return _failed(error.code, said, url)
                self._wait(_retry_after_s(error.headers, attempt))
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                raise EndpointFailed(
                    f'the endpoint can not be reached: {getattr(error, "reason", None) or error}',
                    where=url,
                    do='check the address, and that the server runs',
                ) from error
        raise AssertionError('the last attempt returns or raises')

    def _request(self, url: str, body: bytes | None) -> urllib.request.Request:
        headers = {'Content-Type': 'application/json', 'Accept': 'application/json'}
        if self.is_google(url):
            self._credentials = self._credentials or _GoogleCredentials()
            headers['Authorization'] = f'Bearer {self._credentials.token()}'
        return urllib.request.Request(url, data=body, headers=headers)


class _GoogleCredentials:
    """The credentials this machine has for Google's services."""

    def __init__(self) -> None:
        import google.auth
        import google.auth.exceptions

        self._failure = google.auth.exceptions.GoogleAuthError
        try:
            self._held, _ = google.auth.default(scopes=[_SCOPE])
        except self._failure as error:
            raise _no_credentials(error) from error

    def token(self) -> str:
        """A token that is still good."""
        from google.auth.transport.requests import Request

        try:
            if not self._held.valid:
                self._held.refresh(Request())
        except self._failure as error:
            raise _no_credentials(error) from error
        return str(self._held.token)


def _no_credentials(error: Exception) -> InputError:
    return InputError(
        f'no credentials for Google: {str(error).splitlines()[0]}',
        where='--endpoint',
        do='gcloud auth application-default login',
    )


def _retry_after_s(headers: Message, attempt: int) -> float:
    said = headers.get('Retry-After', '')
    return min(float(said) if said.isdigit() else 2.0**attempt / 4, _LONGEST_WAIT_S)


def _json(body: bytes, url: str) -> dict[str, Json]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EndpointFailed('it did not answer in JSON', where=url, do='check the address')
    return cast('dict[str, Json]', found)


def _failed(status: int, said: bytes, url: str) -> dict[str, Json]:
    """The rows of a request of which every picture failed; any other failure is raised."""
    try:
        body = json.loads(said)
    except ValueError:
        body = {}
    if isinstance(body, dict) and 'predictions' in body:
        return cast('dict[str, Json]', body)
    words = body.get('error') if isinstance(body, dict) else None
    if isinstance(words, dict):  # Google's form
        words = words.get('message')
    text = str(words or said.decode('utf-8', 'replace')).strip()[:_LONGEST_SAID]
    what = f'the endpoint answered {status}: {" ".join(text.split())}'
    if status in _DENIED:
        raise InputError(what, where=url, do='check that you may use it (for Vertex AI: roles/aiplatform.user)')
    if status == 404:
        raise InputError(
            what, where=url, do='check the address: .../v1/models/NAME:predict, or .../endpoints/ID:predict'
        )
    raise EndpointFailed(what, where=url, do='see the log of that server')

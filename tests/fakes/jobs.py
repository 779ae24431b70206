"""What the fakes of Google's job services have in common: jobs that pass from state to state while one looks on."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.servers import Answer, ApiError, FakeServer, Request


@dataclass
class Job:
    """A submitted job: what was sent, and the states it has yet to show; the last one stays."""

    name: str
    project: str
    region: str
    body: dict[str, Any]
    states: list[str]
    message: str = ''
    looked_at: int = field(default=0)

    @property
    def state(self) -> str:
        """What it shows now."""
        return self.states[0]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state.removeprefix('JOB_STATE_') in ('DONE', 'SUCCEEDED', 'FAILED', 'CANCELLED')

    def look(self) -> None:
        """A look at it lets time pass."""
        self.looked_at += 1
        if len(self.states) > 1:
            self.states.pop(0)


class JobServer(FakeServer):
    """A service of one Google Cloud project after another; `next_states` is what the next job will go through."""

    api = ''

    def __init__(self, *next_states: str) -> None:
        super().__init__()
        self.jobs: list[Job] = []
        self.next_states: Sequence[str] = next_states
        self.next_message = ''
        # Projects where nobody has enabled the service, and those where the caller may not do it.
        self.disabled: set[str] = set()
        self.forbidden: set[str] = set()
        self._ids = itertools.count(1)

    @property
    def endpoint(self) -> str:
        """Where it listens, by the name that makes Google's clients speak plain REST."""
        return f'http://localhost:{self.port}'

    def check(self, project: str) -> None:
        """Refuse projects as the service does."""
        if project in self.disabled:
            page = f'https://console.developers.google.com/apis/api/{self.api}/overview?project={project}'
            raise ApiError(
                403,
                f'{self.api} API has not been used in project {project} before or it is disabled. Enable it by '
                f'visiting {page} then retry.',
                'accessNotConfigured',
                status='PERMISSION_DENIED',
                details=[
                    {
                        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
                        'reason': 'SERVICE_DISABLED',
                        'domain': 'googleapis.com',
                        'metadata': {'service': self.api, 'consumer': f'projects/{project}'},
                    }
                ],
            )
        if project in self.forbidden:
            said = f'Permission denied on resource project {project}.'
            raise ApiError(403, said, 'forbidden', status='PERMISSION_DENIED')

    def find(self, name: str) -> Job:
        """The job of a name."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise ApiError(404, f'there is no job {name}', 'notFound', status='NOT_FOUND')

    def token(self, request: Request) -> Answer | None:
        """The answer to a service account that wants a token."""
        if request.path != '/token':
            return None
        return Answer.of({'access_token': 'fake', 'expires_in': 3600, 'token_type': 'Bearer'})

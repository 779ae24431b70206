"""A Compute Engine on loopback that knows its regions: CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=fake.endpoint."""

import re

from tests.fakes.jobs import JobServer
from tests.fakes.servers import Answer, ApiError, Request

_REGION = re.compile(r'/compute/v1/projects/([^/]+)/regions/([^/]+)')


class FakeCompute(JobServer):
    """Regions by name."""

    api = 'compute.googleapis.com'

    def __init__(self, *regions: str) -> None:
        super().__init__()
        self.regions = regions

    def respond(self, request: Request) -> Answer:
        """The answer to a request for a region."""
        found = _REGION.fullmatch(request.path)
        if not found:
            raise ApiError(404, f'the fake knows no {request.method} {request.path}', 'notFound')
        project, region = found.groups()
        self.check(project)
        if region not in self.regions:
            raise ApiError(404, f"The resource 'projects/{project}/regions/{region}' was not found", 'notFound')
        return Answer.of({'name': region, 'status': 'UP'})

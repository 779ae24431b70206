"""Why a server refuses a request: a reason from a closed list, its HTTP status, and words."""

from predict.answers import Prediction
from preprocess.settings import Json

# Reasons of pictures are those of preprocess.reasons; the others are the request's, or the server's own.
STATUSES = {
    'empty-file': 400,
    'too-many-bytes': 413,
    'too-many-pixels': 413,
    'not-an-image': 415,
    'unsupported-format': 415,
    'too-small': 422,
    'truncated': 422,
    'corrupt': 422,
    'too-slow': 422,
    'nonfinite-embedding': 422,
    'bad-request': 400,
    'not-found': 404,
    'method-not-allowed': 405,
    'slow-request': 408,
    'unsupported-encoding': 415,
    'too-many-pictures': 413,
    'too-long': 413,
    'too-many-frames': 413,
    'not-a-video': 415,
    'no-video-stream': 415,
    'unsupported-codec': 415,
    'internal': 500,
    'endpoint-failed': 502,
    'busy': 503,
    'not-ready': 503,
}


class Refused(Exception):
    """A request that gets no answer but this."""

    def __init__(self, reason: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """The HTTP status of its reason; a picture's own fault where that is new."""
        return STATUSES.get(self.reason, 422)

    def json(self) -> dict[str, Json]:
        """The body of the response."""
        return {'error': self.message, 'reason': self.reason}


def reason_of(answer: Prediction) -> str:
    """The reason why a picture got no answer; '' for one that did."""
    return (answer.error or '').partition(':')[0]


def refusal_of(answer: Prediction) -> Refused:
    """A picture's failure as the request's."""
    return Refused(reason_of(answer), f'{answer.key}: {answer.error}' if answer.key else str(answer.error))

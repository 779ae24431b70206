"""Buckets of objects in memory: generations, preconditions, listings in pages, as Google Cloud Storage has them."""

import base64
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import google_crc32c

from tests.fakes.servers import ApiError


@dataclass(frozen=True)
class Stored:
    """One generation of an object."""

    bucket: str
    name: str
    data: bytes
    generation: int
    content_type: str
    metadata: Mapping[str, str]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def crc32c(self) -> str:
        """As the service writes it."""
        return base64.b64encode(google_crc32c.value(self.data).to_bytes(4, 'big')).decode()

    def resource(self) -> dict[str, object]:
        """The object's metadata as JSON."""
        at = self.at.strftime('%Y-%m-%dT%H:%M:%S.%fZ')
        return {
            'kind': 'storage#object',
            'id': f'{self.bucket}/{self.name}/{self.generation}',
            'bucket': self.bucket,
            'name': self.name,
            'size': str(len(self.data)),
            'generation': str(self.generation),
            'metageneration': '1',
            'contentType': self.content_type,
            'crc32c': self.crc32c,
            'etag': f'e{self.generation}',
            'timeCreated': at,
            'updated': at,
            'storageClass': 'STANDARD',
            **({'metadata': dict(self.metadata)} if self.metadata else {}),
        }


@dataclass(frozen=True)
class Listed:
    """A page of a listing."""

    objects: list[Stored]
    prefixes: list[str]
    next_page: str | None


class Objects:
    """All buckets; every operation is one step for whoever looks on."""

    def __init__(self) -> None:
        self._buckets: dict[str, dict[str, Stored]] = {}
        self._lock = threading.RLock()
        self._generations = itertools.count(1_700_000_000_000_000)
        # Prefixes `bucket/name` nobody may touch.
        self.forbidden: list[str] = []
        # The most that one page of a listing has.
        self.page = 1000

    def make_bucket(self, bucket: str) -> None:
        """An empty bucket."""
        with self._lock:
            self._buckets.setdefault(bucket, {})

    @property
    def buckets(self) -> list[str]:
        """Their names."""
        return sorted(self._buckets)

    def check(self, bucket: str, name: str = '') -> None:
        """Refuse what is forbidden, and buckets there aren't."""
        if any(f'{bucket}/{name}'.startswith(prefix) for prefix in self.forbidden):
            raise ApiError(403, f'somebody does not have storage.objects access to {bucket}/{name}.', 'forbidden')
        if bucket not in self._buckets:
            raise ApiError(404, 'The specified bucket does not exist.', 'notFound')

    def get(self, bucket: str, name: str, query: Mapping[str, str] | None = None) -> Stored:
        """An object."""
        self.check(bucket, name)
        with self._lock:
            found = self._buckets[bucket].get(name)
            if found is None or (query or {}).get('generation') not in (None, str(found.generation)):
                raise ApiError(404, f'No such object: {bucket}/{name}', 'notFound')
            self._match(found, query or {})
            return found

    def put(  # noqa: PLR0913  # what an upload says
        self,
        bucket: str,
        name: str,
        data: bytes,
        *,
        query: Mapping[str, str],
        content_type: str = 'application/octet-stream',
        metadata: Mapping[str, str] | None = None,
    ) -> Stored:
        """A new generation of an object."""
        self.check(bucket, name)
        with self._lock:
            self._match(self._buckets[bucket].get(name), query)
            stored = Stored(bucket, name, data, next(self._generations), content_type, metadata or {})
            self._buckets[bucket][name] = stored
            return stored

    def delete(self, bucket: str, name: str, query: Mapping[str, str]) -> None:
        """Remove an object."""
        with self._lock:
            self.get(bucket, name, query)
            del self._buckets[bucket][name]

    def list(self, bucket: str, query: Mapping[str, str]) -> Listed:
        """Names in order of their UTF-8, those behind a delimiter folded."""
        self.check(bucket, query.get('prefix', ''))
        prefix, delimiter = query.get('prefix', ''), query.get('delimiter', '')
        after, most = query.get('pageToken', ''), min(int(query.get('maxResults') or self.page), self.page)
        found: list[Stored] = []
        prefixes: list[str] = []
        with self._lock:
            names = sorted(self._buckets[bucket], key=str.encode)
            for name in names:
                if not name.startswith(prefix):
                    continue
                folded, at, _ = name[len(prefix) :].partition(delimiter) if delimiter else ('', '', '')
                key = prefix + folded + at if at else name
                if key.encode() <= after.encode() or (prefixes and prefixes[-1] == key):
                    continue
                if len(found) + len(prefixes) == most:
                    return Listed(found, prefixes, self._last(found, prefixes))
                if at:
                    prefixes.append(key)
                else:
                    found.append(self._buckets[bucket][name])
        return Listed(found, prefixes, None)

    @staticmethod
    def _last(found: 'list[Stored]', prefixes: 'list[str]') -> str:
        return max([*(one.name for one in found[-1:]), *prefixes[-1:]], key=str.encode)

    @staticmethod
    def _match(found: Stored | None, query: Mapping[str, str]) -> None:
        wanted, unwanted = query.get('ifGenerationMatch'), query.get('ifGenerationNotMatch')
        is_one = str(found.generation) if found else '0'
        if wanted not in (None, is_one) or unwanted == is_one:
            raise ApiError(412, 'At least one of the pre-conditions you specified did not hold.', 'conditionNotMet')

    # What tests ask.

    def names(self, bucket: str, prefix: str = '') -> 'list[str]':
        """Every name in a bucket."""
        with self._lock:
            return sorted(name for name in self._buckets[bucket] if name.startswith(prefix))

    def read(self, bucket: str, name: str) -> bytes:
        """An object's bytes, past all faults and prohibitions."""
        return self._buckets[bucket][name].data

    def write(self, bucket: str, name: str, data: bytes) -> None:
        """An object, past all faults and prohibitions."""
        with self._lock:
            self._buckets[bucket][name] = Stored(
                bucket, name, data, next(self._generations), 'application/octet-stream', {}
            )

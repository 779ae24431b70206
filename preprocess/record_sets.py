"""The records that prefixes, folders and globs name: what a manifest vouches for, the rest refused by name."""

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from preprocess import files
from preprocess.failures import InputError
from preprocess.manifest import EncoderInfo, Manifest, Shard
from preprocess.set_names import SetName, parse_name

_REPAIR = 'make the set again (preprocess.run --overwrite)'
_SHARD = re.compile(r'(?P<stem>.+)-\d{5,}-of-\d{5,}\.tfrecord\.gz')


@dataclass(frozen=True)
class FoundShard:
    """A record file to read, and how many records a manifest vouches for (None without one)."""

    path: str
    records: int | None


@dataclass(frozen=True)
class RecordSet:
    """The records a user named; what no manifest tells is None."""

    shards: tuple[FoundShard, ...]
    manifests: tuple[Manifest, ...]
    directories: tuple[str, ...]  # of the manifests, one each

    @property
    def paths(self) -> tuple[str, ...]:
        """The record files, in order."""
        return tuple(shard.path for shard in self.shards)

    @property
    def records(self) -> int | None:
        """How many records there are; None when some files have no manifest."""
        counts = [shard.records for shard in self.shards]
        return None if None in counts else sum(cast('list[int]', counts))

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Label names in the order of their ids."""
        return self.manifests[0].labels if self.manifests else None

    @property
    def multi_label(self) -> bool | None:
        """Whether a row may have several labels."""
        return self.manifests[0].multi_label if self.manifests else None

    @property
    def vector_size(self) -> int | None:
        """How many numbers an embedding has."""
        return self.manifests[0].vector_size if self.manifests else None

    @property
    def vector_shape(self) -> tuple[int, ...] | None:
        """(D,) of embeddings, (H, W, C) of pixels."""
        return self.manifests[0].vector_shape if self.manifests else None

    @property
    def is_pixels(self) -> bool:
        """Whether the records are known to hold pixels instead of embeddings."""
        return bool(self.manifests) and self.manifests[0].is_pixels

    @property
    def encoder(self) -> EncoderInfo | None:
        """Which encoder made the vectors."""
        return self.manifests[0].encoder if self.manifests else None

    @property
    def encoder_dir(self) -> str | None:
        """Where the compiled encoder is."""
        return files.join(self.directories[0], self.manifests[0].encoder.path) if self.manifests else None


def find_records(specs: Sequence[str]) -> RecordSet:
    """The records that prefixes, folders and globs (each may be a comma list) name.

    A prefix or folder needs its manifest. A glob is read raw, but what a manifest lists is checked against it.
    """
    words = [word.strip() for spec in specs for word in spec.split(',') if word.strip()]
    if not words:
        raise InputError('no records are named', where='the data paths', do='give a PREFIX, a folder or a glob')
    shards: dict[str, FoundShard] = {}
    manifests: dict[SetName, Manifest] = {}
    for word in words:
        found, vouching = _find(word)
        shards.update({shard.path: shard for shard in found})
        manifests.update(vouching)
    check_alike({name.manifest(): manifest for name, manifest in manifests.items()})
    return RecordSet(tuple(shards.values()), tuple(manifests.values()), tuple(name.directory for name in manifests))


def check_alike(manifests: Mapping[str, Manifest]) -> None:
    """Refuse sets (path -> manifest) that can't be learnt from together: other labels, encoder, size or kind."""
    aspects: dict[str, Callable[[Manifest], object]] = {
        'labels': lambda manifest: manifest.labels,
        'encoder': lambda manifest: manifest.encoder.key,
        'vector size': lambda manifest: manifest.vector_shape,
        'multi_label': lambda manifest: manifest.multi_label,
    }
    for (first_path, first), (path, other) in zip(manifests.items(), list(manifests.items())[1:], strict=False):
        for aspect, of in aspects.items():
            if of(first) != of(other):
                raise InputError(
                    f'these records have another {aspect} than {first_path}: {of(other)}, there {of(first)}',
                    where=path,
                    do='make both sets with the same dictionary, encoder and flags',
                )


def is_whole(name: SetName, manifest: Manifest) -> bool:
    """Whether every shard a manifest lists is there, as it lists it."""
    try:
        list(_checked(name, manifest))
    except InputError:
        return False
    return True


_Found = tuple[list[FoundShard], dict[SetName, Manifest]]


def _find(word: str) -> _Found:
    is_dir = files.is_dir(word)
    # A folder of the set's name may lie beside it: a training leaves `train/` in its output directory.
    if not word.endswith('/') and sets_in(files.parent(word), files.name(word)):
        if is_dir and sets_in(word):
            raise InputError(
                'this is the PREFIX of a set of records, and a folder that holds others',
                where=word,
                do=f'name the one by its files, {word}-*, or the other with a slash, {word}/',
            )
        return _find_prefix(word)
    if is_dir:
        return _find_folder(word)
    matches = files.glob(word)
    if matches:
        return _find_matches(word, matches)
    if not set(word) & set('*?[') and (raw := files.glob(word + '-*')):
        raise InputError(
            f'no manifest for the prefix {word} ({len(raw)} files begin with it)',
            where=SetName.of(word).manifest(),
            do=f"make the records again, or read these files as they are with the glob '{word}-*'",
        )
    raise InputError('no records there', where=word, do='give the PREFIX, folder or glob of existing records')


def _find_folder(folder: str) -> _Found:
    names = sorted({found.name for found in sets_in(folder)})
    if not names:
        raise InputError(
            'no manifest in this folder',
            where=folder,
            do=f"make the records again, or read the files as they are with the glob '{files.join(folder, '*')}'",
        )
    if len(names) > 1:
        raise InputError(
            f'this folder holds {len(names)} sets of records',
            where=folder,
            do=f'name one: {" or ".join(files.join(folder, name) for name in names)}',
        )
    return _find_prefix(files.join(folder, names[0]))


def _find_prefix(prefix: str) -> _Found:
    manifests = {name: Manifest.read(name.manifest()) for name in sets_in(files.parent(prefix), files.name(prefix))}
    _check_parts_complete(manifests)
    return [shard for name, manifest in manifests.items() for shard in _checked(name, manifest)], manifests


def _find_matches(pattern: str, matches: Sequence[str]) -> _Found:
    pattern, *matches = (files.join(files.parent(path), files.name(path)) for path in [pattern, *matches])
    listed: dict[str, tuple[SetName, Shard]] = {}
    manifests: dict[SetName, Manifest] = {}
    names = [name for folder in dict.fromkeys(map(files.parent, matches)) for name in sets_in(folder)]
    for name in names:
        manifest = Manifest.read(name.manifest())
        vouched = {files.join(name.directory, shard.file): shard for shard in manifest.shards}
        wanted = {
            path: shard for path, shard in vouched.items() if path in matches or fnmatch.fnmatchcase(path, pattern)
        }
        sizes = _sizes(name.directory) if wanted else {}
        for path, shard in wanted.items():
            _check_shard(path, shard, name, sizes)
            listed[path] = name, shard
        if wanted:
            manifests[name] = manifest
    for path in matches:
        _check_listed(path, listed, names)
    _check_parts_complete(manifests, pattern=pattern)
    return [FoundShard(path, listed[path][1].records if path in listed else None) for path in matches], manifests


def sets_in(folder: str, name: str | None = None) -> list[SetName]:
    """The sets (of that name) whose manifests are in a folder, whole ones before parts, in order."""
    if not files.is_dir(folder):
        return []
    found = [parse_name(folder, files.name(listed.uri)) for listed in files.list_dir(folder)]
    sets = [one for one in found if one and name in (None, one.name)]
    return sorted(sets, key=lambda one: (one.name, one.part.of if one.part else 0, one.part.index if one.part else 0))


def _checked(name: SetName, manifest: Manifest) -> Iterator[FoundShard]:
    sizes = _sizes(name.directory)
    for shard in manifest.shards:
        path = files.join(name.directory, shard.file)
        _check_shard(path, shard, name, sizes)
        yield FoundShard(path, shard.records)


def _sizes(folder: str) -> dict[str, int]:
    """The sizes of a folder's files: listed at once, because one question for each takes a network too long."""
    return {files.join(folder, files.name(found.uri)): found.size for found in files.list_dir(folder)}


def _check_shard(path: str, shard: Shard, name: SetName, sizes: Mapping[str, int]) -> None:
    size = sizes.get(path)
    if size is None:
        raise InputError(f'{name.manifest()} lists this file, which is missing', where=path, do=_REPAIR)
    if size != shard.bytes:
        raise InputError(
            f'the file has {size} bytes where {name.manifest()} lists {shard.bytes}', where=path, do=_REPAIR
        )


def _check_listed(path: str, listed: Mapping[str, tuple[SetName, Shard]], names: Sequence[SetName]) -> None:
    """A file that no manifest lists may be read raw only where no manifest speaks for its neighbours."""
    if path in listed:
        return
    folder, file = files.parent(path), files.name(path)
    here = [name for name in names if name.directory == folder]
    alike = [name for name in here if file.startswith((f'{name.name}-', f'{name.name}.'))]
    speaking = [*alike, *(name for name, _ in listed.values() if name.directory == folder)]
    if not speaking:
        return
    own = _set_of(path)
    if own and own not in here and not _is_divided_otherwise(own, here):
        raise _without_manifest(path, own)
    raise InputError(
        f'{speaking[0].manifest()} does not list this file: it is left over from another run or was put there',
        where=path,
        do=f'name the records by their prefix, {files.join(folder, speaking[0].name)}, or move this file away',
    )


def _set_of(path: str) -> SetName | None:
    """The set, or the part of one, that a record file's own name says it is of."""
    found = _SHARD.fullmatch(files.name(path))
    try:
        return parse_name(files.parent(path), f'manifest.{found["stem"]}.json') if found else None
    except ValueError:  # part 5 of 4: no name of ours
        return None


def _is_divided_otherwise(own: SetName, others: Sequence[SetName]) -> bool:
    """Whether there are manifests of the same set, and all of another division."""
    divisions = {other.part.of if other.part else None for other in others if other.name == own.name}
    return bool(divisions) and (own.part.of if own.part else None) not in divisions


def _without_manifest(path: str, own: SetName) -> InputError:
    part, manifest = own.part, files.name(own.manifest())
    what = f'{own.name}, part {part.index} of {part.of}' if part else own.name
    again = f'make that part again (preprocess.run --shard {part.index}/{part.of})' if part else 'make that set again'
    return InputError(
        f'by its name this file is of {what}, whose manifest, {manifest}, is missing',
        where=path,
        do=f'{again}, copy the manifest here from where these records come from, or move this file away',
    )


def _check_parts_complete(manifests: Mapping[SetName, Manifest], *, pattern: str | None = None) -> None:
    """All n parts of a divided set must be there; with a glob, those whose files it would match."""
    for name in manifests:
        whole = [other for other in manifests if (other.directory, other.name) == (name.directory, name.name)]
        kinds = {other.part.of if other.part else None for other in whole}
        if len(kinds) > 1:
            raise InputError(
                f'two divisions of one set lie side by side: {", ".join(other.stem for other in whole)}',
                where=name.directory,
                do='remove the manifests of the older one',
            )
        for part in name.part.siblings() if name.part else ():
            other = SetName(name.directory, name.name, part)
            probe = files.join(other.directory, other.shard_file(0, 1))
            if other not in manifests and (pattern is None or _fits(probe, pattern)):
                raise InputError(
                    f'part {part} of {name.name} is missing',
                    where=other.manifest(),
                    do=f'run preprocess.run --shard {part.index}/{part.of} first',
                )


def _fits(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path, pattern)

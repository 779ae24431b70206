"""Runs of the embedding job in this process, and what they left."""

import json
from pathlib import Path

from preprocess import pieces, records, shelves
from preprocess.embedding import Existing, Made, embed_sets
from preprocess.manifest import Manifest
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.record_sets import find_records
from tests.preprocess.fakes import FAKE, model_dir


def label(number: int) -> str:
    return ('cat', 'dog')[number % 2]


def write_csv(folder: Path, name: str, lines: list[str]) -> None:
    (folder / name).write_text(''.join(line + '\n' for line in lines))


def config(folder: Path, name: str = 'train', **changed) -> SetConfig:
    given = {
        'input_path': str(folder / f'{name}.csv'),
        'input_dict': str(folder / 'dict.txt'),
        'output_path': str(folder / 'out' / name),
    }
    return SetConfig(**{**given, **changed})


def make(*sets: SetConfig, folder: Path, machinery=FAKE, existing=Existing.KEEP, **embedding) -> Made:
    embedding.setdefault('max_reject_fraction', 1.0)
    asked = EmbeddingConfig(**{'encoder': model_dir(folder), **embedding})
    return embed_sets(sets, asked, existing=existing, machinery=machinery)


def embed(*sets: SetConfig, folder: Path, **settings) -> list[Manifest]:
    return list(make(*sets, folder=folder, **settings).manifests)


def found(prefix: Path) -> dict[str, records.Record]:
    """The records of a set by the picture's name; twice the same name is an error."""
    by_name: dict[str, records.Record] = {}
    for shard in find_records([str(prefix)]).shards:
        for record in records.read(shard.path, expect=shard.records):
            name = Path(record.image_uri).name
            assert name not in by_name
            by_name[name] = record
    return by_name


def rejects(folder: Path, name: str = 'train') -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / 'out' / f'rejects.{name}.jsonl').read_text().splitlines()]


def vector_pieces(place: Path) -> list[Path]:
    """The pieces of vectors below a place, of whatever encoder."""
    return sorted(path for path in place.rglob('*.piece') if path.parent.name not in (shelves.INDEX, shelves.REJECTS))


def vectors_kept(place: Path) -> list[bytes]:
    """The contents that have a vector below a place; more than once when they have more than one."""
    return [key for path in vector_pieces(place) for key in pieces.open_piece(str(path)).keys]


def left_over(out: Path) -> list[str]:
    """Hidden or temporary files anywhere below."""
    return [str(path.relative_to(out)) for path in out.rglob('*') if path.name.startswith('.') or '.tmp' in path.name]

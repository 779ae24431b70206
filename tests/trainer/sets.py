"""Small sets of records in memory, and the files they would be in."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from preprocess.manifest import EncoderInfo, Examples, Manifest, Rows, Shard
from preprocess.records import Record, RecordWriter
from preprocess.set_names import SetName
from trainer.embedded_set import EmbeddedSet

TINY = EncoderInfo('tiny', 'key of tiny', 'encoder', 'sha', (16, 16, 3), 'tensorflow', 'float32', 8)


def embedded(
    name: str,
    vectors: Sequence[Sequence[float]] | np.ndarray,
    *,
    labels: Sequence[tuple[int, ...]] | None = None,
    uris: Sequence[str] | None = None,
    groups: Sequence[str | None] | None = None,
) -> EmbeddedSet:
    """A set whose rows are called name0.jpg, name1.jpg … and labelled 0 where nothing else is said."""
    rows = len(vectors)
    return EmbeddedSet(
        name,
        tuple(uris or [f'{name}{row}.jpg' for row in range(rows)]),
        np.asarray(vectors, np.float32),
        tuple(labels if labels is not None else [(0,)] * rows),
        tuple(groups or [None] * rows),
    )


def write_records(
    directory: Path,
    rows: EmbeddedSet,
    labels: tuple[str, ...],
    *,
    rejects: Mapping[str, int] | None = None,
    encoder: EncoderInfo = TINY,
) -> str:
    """Write a set with its manifest and rejects; the PREFIX."""
    name = SetName(str(directory), rows.name)
    path = directory / name.shard_file(0, 1)
    with RecordWriter(str(path)) as writer:
        for uri, vector, ids, group in zip(rows.uris, rows.vectors, rows.label_ids, rows.groups, strict=True):
            writer.write(Record(uri, vector, ids, group))
    rejected = dict(rejects or {})
    lines = [
        {'source': 'rows.csv', 'row': 10 + row, 'uri': f'{reason}{row}.jpg', 'stage': 'read', 'reason': reason}
        for reason, count in rejected.items()
        for row in range(count)
    ]
    text = ''.join(json.dumps({**line, 'message': f'it is {line["reason"]}'}) + '\n' for line in lines)
    Path(name.rejects()).write_text(text)
    total = sum(rejected.values())
    Manifest(
        name=rows.name,
        encoder=encoder,
        vector_shape=(rows.vectors.shape[1],),
        labels=labels,
        multi_label=max(map(len, rows.label_ids), default=0) > 1,
        shards=(Shard(path.name, len(rows), writer.bytes, writer.sha256),),
        rows=Rows(len(rows) + total + 1, len(rows), total, 1),
        examples=Examples(len(rows)),
        rejects_by_reason=rejected,
        counts_per_label=dict(zip(labels, rows.counts(len(labels)), strict=True)),
        unlabelled=len(rows) - len(rows.labelled()),
        settings={'input_path': 'rows.csv'},
    ).write(name.manifest())
    return f'{directory}/{rows.name}'

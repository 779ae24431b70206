"""Sets of records with their manifests, written by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from preprocess.manifest import EncoderInfo, Examples, Manifest, Rows, Shard
from preprocess.records import Record, RecordWriter
from preprocess.set_names import Part, SetName

ENCODER = EncoderInfo('mini', 'k' * 64, 'encoder/' + 'k' * 16, 's' * 64, (96, 96, 3), 'tensorflow', 'float32', 8)


def write_set(folder: Path, name: str = 'train', *, shards: int = 3, part: Part | None = None, **changed) -> Manifest:
    set_name = SetName(str(folder), name, part)
    listed = []
    for index in range(shards):
        with RecordWriter(str(folder / set_name.shard_file(index, shards))) as writer:
            for number in range(index + 1):
                writer.write(Record(f'{name}{index}-{number}.jpg', np.ones(4, np.float32), (0,)))
        listed.append(Shard(set_name.shard_file(index, shards), writer.count, writer.bytes, writer.sha256))
    count = sum(shard.records for shard in listed)
    manifest = replace(
        Manifest(
            name=name,
            encoder=ENCODER,
            vector_shape=(4,),
            labels=('cat', 'dög'),
            multi_label=False,
            shards=tuple(listed),
            rows=Rows(count + 3, count, 2, 1),
            examples=Examples(count),
            rejects_by_reason={'missing': 1, 'corrupt': 1},
            counts_per_label={'cat': count, 'dög': 0},
            unlabelled=0,
            settings={'encoder': 'mini', 'limit': None},
            part=part,
        ),
        **changed,
    )
    manifest.write(set_name.manifest())
    return manifest

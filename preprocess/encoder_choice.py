"""The encoder of a run, settled first: what `auto` means, what this machine can do, which quantised graph."""

import itertools
import os
from collections.abc import Iterable, Sequence

from preprocess import engines, footage_specimens, jobs, preflight, quantising, rows, subsets
from preprocess.encoders import EncoderSpec
from preprocess.options import EmbeddingConfig, SetConfig
from preprocess.rows import Row


def settle(
    sets: Sequence[SetConfig], embedding: EmbeddingConfig, *, store: str, beam_args: Sequence[str]
) -> EncoderSpec:
    """The spec that every worker and every key goes by; pictures of the first set calibrate what must be calibrated."""
    is_here = jobs.is_local(beam_args)
    spec = embedding.spec_for(is_here=is_here)
    if is_here:
        # Elsewhere the workers see for themselves.
        engines.check_here(spec.engine, spec.precision)
    if spec.way.is_quantised:
        # Compiling and calibrating takes a minute: first make sure that the inputs are worth it.
        for config in sets:
            preflight.check(config, encoder_key='', encoder='')
    first = sets[0]
    return quantising.settled(
        spec,
        store=store,
        uris=lambda: (row.uri for row in _rows_of(first) if not row.is_footage),
        frames=footage_specimens.frames(
            first, lambda: [row for row in _rows_of(first) if row.is_footage], embedding, quantising.PICTURES
        ),
    )


def _rows_of(config: SetConfig) -> Iterable[Row]:
    """The rows of a set, of all its parts: tasks that embed a part each calibrate on the same."""
    paths = rows.expand_inputs(config.input_path)
    found = itertools.chain.from_iterable(
        rows.read_csv(path, image_root=config.image_root, working_dir=os.getcwd()) for path in paths
    )
    own = (row for row in found if isinstance(row, Row))
    return own if config.limit is None else subsets.spread(own, config.limit)

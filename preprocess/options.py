"""What preprocessing is asked for: the settings, their flags and their defaults."""

import argparse
import re
from dataclasses import dataclass

from preprocess import dataflow_config, engines, files, pixel_encoders, preparation, sampling
from preprocess.command import FlagParser
from preprocess.encoders import EncoderSpec
from preprocess.failures import UsageError
from preprocess.preparation import NOTHING, Preparation
from preprocess.provenance import Provenance
from preprocess.sampling import Sampling
from preprocess.set_names import Part, SetName
from preprocess.settings import Json

DEFAULT_ENCODER = 'inception_v3'
DEFAULT_MAX_REJECT_FRACTION = 0.05
STORE = 'embeddings'
# A name that globs and comma lists can hold, not hidden, and not that of a part.
_NAME = re.compile(r'[^.*?\[\],][^*?\[\],]*')
_PART = re.compile(r'\.\d+-of-\d+$')
VERBOSITIES = ('DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL')


@dataclass(frozen=True, kw_only=True)
class SetConfig:
    """One set of records: from which rows, by which dictionary, to which PREFIX."""

    input_path: str
    input_dict: str
    output_path: str
    part: Part | None = None
    image_root: str | None = None
    ignore_label_case: bool = False
    multi_label: bool = False
    limit: int | None = None
    shards: int | None = None  # None: as many as the size asks for
    provenance: Provenance = Provenance()  # of rows that were written for this set

    def __post_init__(self) -> None:
        name = files.name(self.output_path)
        if self.output_path.endswith('/') or not _NAME.fullmatch(name) or _PART.search(name):
            raise UsageError(
                f'{self.output_path!r} is no PREFIX for records',
                where='--output_path',
                do='give a folder and a name without * ? [ ] or a comma, like out/preprocessed/train',
            )
        if self.limit is not None and self.limit < 1:
            raise UsageError(f'the limit must be 1 or more, got {self.limit}', where='--limit', do='leave it out')
        if self.shards is not None and self.shards < 1:
            raise UsageError(f'{self.shards} record files', where='shards', do='give 1 or more')

    @property
    def name(self) -> SetName:
        """Where the records go."""
        return SetName.of(files.without_scheme(self.output_path), self.part)


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """How pictures become vectors, and where these are kept."""

    encoder: str = DEFAULT_ENCODER
    encoder_weights: str | None = None
    engine: str = 'tensorflow'
    precision: str = 'float32'
    embedding_store: str | None = None  # None: `embeddings` beside the records
    max_reject_fraction: float = DEFAULT_MAX_REJECT_FRACTION
    retry_rejected: bool = False
    decoders: int | None = None  # None: what the machine suggests, here and below
    network_threads: int | None = None
    sampling: Sampling = Sampling()  # of footage, as is what follows
    preparation: Preparation = NOTHING

    def __post_init__(self) -> None:
        if not 0 <= self.max_reject_fraction <= 1:
            raise UsageError(
                f'a fraction is between 0 and 1, got {self.max_reject_fraction}',
                where='--max_reject_fraction',
                do='give 0.05 for five of a hundred rows',
            )
        if self.embedding_store == '':
            raise UsageError('no folder is named', where='--embedding_store', do='name one, or leave it out')
        for flag, count in (('--decoders', self.decoders), ('--network_threads', self.network_threads)):
            if count is not None and count < 1:
                raise UsageError(f'{flag} must be 1 or more, got {count}', where=flag, do='leave it out')

    @property
    def footage_settings(self) -> dict[str, Json]:
        """What records of footage depend on besides; nothing where it is the default."""
        said: dict[str, Json] = {} if self.sampling == Sampling() else {'sampling': self.sampling.text}
        return said if self.preparation == NOTHING else {**said, 'preparation': self.preparation.text}

    @property
    def spec(self) -> EncoderSpec:
        """The encoder asked for, `auto` being what this machine can do; a UsageError when there is no such one."""
        return self.spec_for(is_here=True)

    def spec_for(self, *, is_here: bool) -> EncoderSpec:
        """The encoder asked for, where the pictures are embedded on this machine or elsewhere."""
        computes_here = is_here and not pixel_encoders.is_pixels(self.encoder)
        return EncoderSpec(
            name=self.encoder,
            weights=self.encoder_weights,
            engine=self.engine,
            precision=engines.resolved(self.precision, is_here=computes_here),
        )


@dataclass(frozen=True, kw_only=True)
class PreprocessConfig:
    """What `preprocess.run` is asked for."""

    records: SetConfig
    embedding: EmbeddingConfig
    overwrite: bool = False
    verbosity: str = 'INFO'


def add_flags(parser: FlagParser) -> None:
    """The flags of `preprocess.run`."""
    parser.add_argument('--input_path', required=True, metavar='CSV', help='labelled CSVs: a comma list and/or globs')
    parser.add_argument('--input_dict', required=True, metavar='DICT', help='dict.txt: one label a line')
    parser.add_argument(
        '--output_path', required=True, metavar='PREFIX', help='folder and name of the records, like out/train'
    )
    parser.add_argument(
        '--shard', type=_part, metavar='I/N', help='embed only part I (from 0) of N; a PREFIX then takes all N'
    )
    add_row_flags(parser)
    parser.add_argument('--limit', type=int, metavar='N', help='take N pictures only, spread over the classes')
    add_embedding_flags(parser)
    add_footage_flags(parser)
    dataflow_config.add_worker_flags(parser)
    dataflow_config.add_flags(parser)
    parser.add_argument('--overwrite', action='store_true', help='make the records again, whatever is there')
    parser.add_argument(
        '--verbosity', type=str.upper, choices=VERBOSITIES, default='INFO', help='what log.txt holds (default INFO)'
    )


def add_row_flags(parser: FlagParser) -> None:
    """The flags that say how rows are read."""
    parser.add_argument(
        '--image_root', metavar='DIR', help="what relative paths start from (default: the CSV's folder)"
    )
    parser.add_argument('--ignore_label_case', action='store_true', help='match labels whatever their case')
    parser.add_argument('--multi_label', action='store_true', help='a picture may have several labels')


def add_embedding_flags(parser: FlagParser) -> None:
    """The flags that say how pictures become vectors."""
    parser.add_argument(
        '--encoder',
        default=DEFAULT_ENCODER,
        help=f'a Keras application, mini, hub:URL, a model directory, or pixels:HxW[:gray] (default {DEFAULT_ENCODER})',
    )
    parser.add_argument(
        '--encoder_weights', metavar='FILE', help="a Keras weights file, or random (default: ImageNet's)"
    )
    parser.add_argument(
        '--engine', default='tensorflow', help='what runs the network: tensorflow (default) or openvino'
    )
    parser.add_argument(
        '--precision',
        default='float32',
        help='what it computes in: float32 (default), bfloat16, auto, or, in openvino, int8',
    )
    parser.add_argument(
        '--decoders', type=int, metavar='N', help='processes that decode pictures (default: one a core)'
    )
    parser.add_argument(
        '--network_threads', type=int, metavar='N', help='threads the network runs in (default: one a core)'
    )
    parser.add_argument('--embedding_store', metavar='DIR', help='where vectors are kept; may be shared')
    parser.add_argument(
        '--max_reject_fraction',
        type=float,
        default=DEFAULT_MAX_REJECT_FRACTION,
        metavar='F',
        help=f'stop when more of the rows are rejected (default {DEFAULT_MAX_REJECT_FRACTION})',
    )
    parser.add_argument(
        '--retry_rejected', action='store_true', help='try pictures again that an earlier run could not embed'
    )


def add_footage_flags(parser: FlagParser) -> None:
    """The flags that say which frames of footage are taken, and how they are prepared."""
    footage = parser.add_argument_group('footage: rows that are videos, or stretches of some')
    sampling.add_flags(footage)
    preparation.add_flags(footage)


def from_flags(found: argparse.Namespace) -> PreprocessConfig:
    """The settings in parsed flags."""
    records = SetConfig(
        input_path=found.input_path,
        input_dict=found.input_dict,
        output_path=found.output_path,
        part=found.shard,
        image_root=found.image_root,
        ignore_label_case=found.ignore_label_case,
        multi_label=found.multi_label,
        limit=found.limit,
    )
    return PreprocessConfig(
        records=records,
        embedding=embedding_from_flags(found),
        overwrite=found.overwrite,
        verbosity=found.verbosity,
    )


def embedding_from_flags(found: argparse.Namespace) -> EmbeddingConfig:
    """The settings that `add_embedding_flags` asked for."""
    return EmbeddingConfig(
        encoder=found.encoder,
        encoder_weights=found.encoder_weights,
        engine=found.engine,
        precision=found.precision,
        embedding_store=found.embedding_store,
        max_reject_fraction=found.max_reject_fraction,
        decoders=found.decoders,
        network_threads=found.network_threads,
        retry_rejected=found.retry_rejected,
        sampling=sampling.from_flags(found),
        preparation=preparation.from_flags(found),
    )


def _part(text: str) -> Part:
    index, slash, of = text.partition('/')
    if not slash or not index.isdigit() or not of.isdigit():
        raise argparse.ArgumentTypeError(f'{text!r} is not i/n, like 0/4')
    try:
        return Part(int(index), int(of))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

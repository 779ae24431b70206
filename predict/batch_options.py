"""What a batch of predictions is asked for: the settings, their flags and their defaults."""

import argparse
from dataclasses import dataclass

from predict import videos
from predict.answers import UNSURE
from predict.batch_layout import Layout
from predict.segments import Rule
from preprocess import dataflow_config, files, quotes
from preprocess.command import FlagParser
from preprocess.failures import UsageError
from preprocess.options import DEFAULT_MAX_REJECT_FRACTION, STORE, VERBOSITIES, EmbeddingConfig
from preprocess.preparation import Preparation
from preprocess.sampling import Sampling

_PROG = 'python -m predict.batch'
_OTHER_FORMS = ('.csv', '.json', '.txt', '.gz', '.tsv', '.xlsx')
_EPILOG = """\
Every row, picture or video has exactly one line in PREFIX-SSSSS-of-NNNNN.jsonl, in the order of the input: its answer,
or why there is none. Vectors are kept in the store: another model with the same encoder computes its head alone, and a
run that was killed goes on where it was. What is not listed here is handed to Apache Beam (--runner ...).
"""


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """What `predict.batch` is asked for."""

    model_dir: str
    input_path: str
    output_path: str
    image_root: str | None = None
    embedding_store: str | None = None  # None: `embeddings` beside the predictions
    csv: bool = False
    top_k: int | None = None
    rule: Rule = Rule()  # with the threshold, which is for pictures too
    sampling: Sampling | None = None  # of footage; None: as the model's training had it
    max_reject_fraction: float = DEFAULT_MAX_REJECT_FRACTION
    retry_rejected: bool = False
    decoders: int | None = None
    network_threads: int | None = None
    overwrite: bool = False
    dry_run: bool = False
    verbosity: str = 'INFO'

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f'--top_k is 1 or more, got {self.top_k}', where=_PROG, do='give how many labels to name')
        if self.output_path.lower().endswith(_OTHER_FORMS):
            raise UsageError(
                f'{self.output_path}: predictions are JSON Lines',
                where='--output_path',
                do='give a PREFIX like out/july, or july.jsonl; --csv writes a CSV beside them',
            )
        threshold = self.rule.threshold
        if threshold is not None and not 0 <= threshold <= 1:
            raise UsageError(f'--threshold is from 0 to 1, got {threshold}', where=_PROG, do='give a score, say 0.9')
        # Says what is wrong with the rest.
        self.embedding(Sampling(), Preparation())

    @property
    def layout(self) -> Layout:
        """Where the predictions go."""
        return Layout.of(self.output_path)

    @property
    def store(self) -> str:
        """Where the vectors are."""
        return files.absolute(self.embedding_store or files.join(self.layout.directory, STORE))

    def embedding(self, sampling: Sampling, preparation: Preparation) -> EmbeddingConfig:
        """How what has no vector yet gets one."""
        return EmbeddingConfig(
            embedding_store=self.store,
            max_reject_fraction=self.max_reject_fraction,
            retry_rejected=self.retry_rejected,
            decoders=self.decoders,
            network_threads=self.network_threads,
            sampling=sampling,
            preparation=preparation,
        )


def parser() -> FlagParser:
    """The flags of `predict.batch`."""
    flags = FlagParser(_PROG, 'Answer any number of pictures and videos with a model, with Beam.', epilog=_EPILOG)
    flags.add_argument('--model_dir', required=True, metavar='DIR', help='the folder that holds saved_model.pb')
    flags.add_argument(
        '--input_path',
        required=True,
        metavar='INPUT',
        help='CSVs (image[,label]); or folders, patterns, pictures and videos; several in a comma list',
    )
    flags.add_argument(
        '--output_path', required=True, metavar='PREFIX', help='out/july, a folder (out/), or one file (july.jsonl)'
    )
    flags.add_argument('--csv', action='store_true', help='write PREFIX.csv too')
    flags.add_argument('--top_k', type=int, metavar='N', help='name the N best labels with their scores')
    flags.add_argument(
        '--threshold', type=float, metavar='T', help=f'the score a label needs; when none has it: {UNSURE}'
    )
    flags.add_argument('--image_root', metavar='DIR', help="what relative paths start from (default: the CSV's folder)")
    flags.add_argument('--embedding_store', metavar='DIR', help='where vectors are kept; may be that of the training')
    flags.add_argument(
        '--max_reject_fraction',
        type=float,
        default=DEFAULT_MAX_REJECT_FRACTION,
        metavar='F',
        help=f'exit code 4 when more of the rows fail (default {DEFAULT_MAX_REJECT_FRACTION})',
    )
    flags.add_argument('--retry_rejected', action='store_true', help='try again what could not be answered')
    flags.add_argument('--overwrite', action='store_true', help='predict again, whatever is there')
    flags.add_argument('--dry_run', action='store_true', help='try a few rows and say what the whole run will take')
    flags.add_argument('--decoders', type=int, metavar='N', help='processes that decode pictures (default: one a core)')
    flags.add_argument(
        '--network_threads', type=int, metavar='N', help='threads the network runs in (default: one a core)'
    )
    dataflow_config.add_worker_flags(flags)
    dataflow_config.add_flags(flags)
    quotes.add_flags(flags.add_argument_group('what --dry_run reckons with for the cloud'))
    flags.add_argument(
        '--verbosity', type=str.upper, choices=VERBOSITIES, default='INFO', help='what log.txt holds (default INFO)'
    )
    videos.add_rule_flags(flags.add_argument_group('footage (videos, and stretches of them)'))
    return flags


def from_flags(found: argparse.Namespace) -> BatchConfig:
    """The settings in parsed flags."""
    own = ('overwrite', 'dry_run', 'verbosity', 'decoders', 'network_threads')
    said = ('model_dir', 'input_path', 'output_path', 'image_root', 'embedding_store', 'csv', 'top_k')
    rest = ('max_reject_fraction', 'retry_rejected')
    return BatchConfig(
        rule=videos.rule_from_flags(found),
        sampling=videos.sampling_from_flags(found),
        **{name: getattr(found, name) for name in (*own, *said, *rest)},
    )

"""What is learnt from: the records that were named, and what their manifests and the flags say of them together."""

from dataclasses import dataclass

from preprocess import files, record_sets
from preprocess.encoders import EncoderSpec
from preprocess.failures import InputError
from preprocess.labels import Labels
from preprocess.manifest import Manifest
from preprocess.record_sets import FoundShard, RecordSet
from preprocess.set_names import SetName
from preprocess.settings import Json, digest
from trainer import class_weights, classes, head_spec
from trainer.config import TrainConfig

_DO = 'leave the flag out: the records say it themselves'


@dataclass(frozen=True)
class Inputs:
    """Both sets of records; what neither a manifest nor a flag tells is None."""

    train: RecordSet
    eval: RecordSet
    labels: tuple[str, ...] | None
    multi_label: bool

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """The manifests there are, those of the training records first."""
        return self.train.manifests + self.eval.manifests

    @property
    def manifest_json(self) -> str | None:
        """The first manifest as it is written."""
        for records in (self.train, self.eval):
            for one in records.manifests[:1]:
                return files.read_text(_path(one, records))
        return None

    @property
    def encoder_dir(self) -> str | None:
        """Where the compiled encoder stands beside the records."""
        return self.train.encoder_dir or self.eval.encoder_dir


def find(config: TrainConfig) -> Inputs:
    """Find the records; InputError when they, or they and the flags, contradict each other."""
    train = record_sets.find_records(config.train_data_paths)
    evaluation = record_sets.find_records(config.eval_data_paths)
    found = train.manifests + evaluation.manifests
    record_sets.check_alike({_path(one, records): one for records in (train, evaluation) for one in records.manifests})
    if found:
        _check_flags(config, found[0])
        head_spec.check(config.learning, found[0].vector_shape, is_footage=any(one.sampling for one in found))
    for name, records in (('training', train), ('evaluation', evaluation)):
        if records.records == 0:
            raise empty(name, records)
    labels = found[0].labels if found else _labels_of_flags(config)
    multi_label = found[0].multi_label if found else config.learning.multi_label
    if labels is not None:
        told_apart = classes.make(labels, multi_label=multi_label, unlabelled=config.learning.unlabelled_class)
        class_weights.check(config.learning.class_weights, told_apart)
    return Inputs(train, evaluation, labels, multi_label)


def empty(name: str, records: RecordSet) -> InputError:
    """The error for a set without a record to use."""
    shown = ', '.join(records.paths[:3])
    return InputError(
        f'there are no {name} records to use', where=shown, do='check the rejected rows, or give a larger set'
    )


def identity(records: RecordSet) -> str:
    """A digest of what the records hold, wherever they are and whatever they are called."""
    known = {
        files.join(directory, shard.file): shard.sha256
        for directory, one in zip(records.directories, records.manifests, strict=True)
        for shard in one.shards
    }
    contents: list[Json] = [known.get(shard.path) or _content(shard) for shard in records.shards]
    return digest({'shards': contents})


def _content(shard: FoundShard) -> str:
    try:
        return files.sha256(shard.path)
    except OSError as error:
        raise InputError(
            f'the records can not be read: {error.strerror or error}', where=shard.path, do='mend its permissions'
        ) from error


def _path(one: Manifest, records: RecordSet) -> str:
    directory = records.directories[records.manifests.index(one)]
    return SetName(directory, one.name, one.part).manifest()


def _check_flags(config: TrainConfig, said: Manifest) -> None:
    """Refuse flags, meant for records without a manifest, that say something else than the manifest."""
    if config.label_count not in (None, len(said.labels)):
        raise InputError(
            f'{config.label_count} labels asked for, the records have {len(said.labels)}',
            where='--label_count',
            do=_DO,
        )
    if config.learning.multi_label and not said.multi_label:
        raise InputError(
            'the records were made with one label each', where='--multi_label', do='make them with --multi_label too'
        )
    if config.input_dict is not None and (names := Labels.read(config.input_dict).names) != said.labels:
        raise InputError(
            f'the dictionary has other labels ({", ".join(names)}) than the records ({", ".join(said.labels)})',
            where=config.input_dict,
            do='leave --input_dict out, or make the records again with this dictionary',
        )
    if config.encoder is not None:
        _check_encoder(config, config.encoder, said)


def _check_encoder(config: TrainConfig, encoder: str, said: Manifest) -> None:
    theirs = said.encoder
    asked = EncoderSpec(
        encoder, config.encoder_weights, theirs.engine, theirs.precision, theirs.batch_size, quantised=theirs.quantised
    )
    if asked.key() != theirs.key:
        raise InputError(
            f'the encoder {asked.canonical} was asked for, the records were made with {theirs.spec}',
            where='--encoder',
            do=_DO,
        )


def _labels_of_flags(config: TrainConfig) -> tuple[str, ...] | None:
    if config.input_dict is None:
        return classes.numbered(config.label_count) if config.label_count else None
    names = Labels.read(config.input_dict).names
    if config.label_count not in (None, len(names)):
        raise InputError(
            f'{config.label_count} labels asked for, the dictionary has {len(names)}',
            where=config.input_dict,
            do='leave --label_count out, or give the dictionary the records were made with',
        )
    return names

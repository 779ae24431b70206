"""Settings of preprocessing: valid or not born, and the flags that make them."""

import pytest

from preprocess import options
from preprocess.command import FlagParser
from preprocess.failures import UsageError
from preprocess.options import EmbeddingConfig, PreprocessConfig, SetConfig
from preprocess.set_names import Part, SetName


def parse(*flags: str) -> PreprocessConfig:
    parser = FlagParser('test', '')
    options.add_flags(parser)
    return options.from_flags(parser.parse_args(flags))


NEEDED = ['--input_path=a.csv', '--input_dict=d.txt', '--output_path=out/train']


def test_three_flags_are_enough():
    assert parse(*NEEDED) == PreprocessConfig(
        records=SetConfig(input_path='a.csv', input_dict='d.txt', output_path='out/train'),
        embedding=EmbeddingConfig(),
    )
    assert EmbeddingConfig().encoder == 'inception_v3'
    assert EmbeddingConfig().max_reject_fraction == 0.05


def test_every_flag_arrives_where_it_belongs():
    config = parse(
        *NEEDED,
        '--shard=1/4',
        '--image-root=/pics',
        '--ignore_label_case',
        '--multi_label',
        '--limit=7',
        '--encoder=resnet50_v2',
        '--encoder_weights=random',
        '--embedding_store=/store',
        '--max_reject_fraction=0.5',
        '--overwrite',
        '--verbosity=debug',
    )
    assert config == PreprocessConfig(
        records=SetConfig(
            input_path='a.csv',
            input_dict='d.txt',
            output_path='out/train',
            part=Part(1, 4),
            image_root='/pics',
            ignore_label_case=True,
            multi_label=True,
            limit=7,
        ),
        embedding=EmbeddingConfig(
            encoder='resnet50_v2', encoder_weights='random', embedding_store='/store', max_reject_fraction=0.5
        ),
        overwrite=True,
        verbosity='DEBUG',
    )
    assert config.records.name == SetName('out', 'train', Part(1, 4))


@pytest.mark.parametrize(
    'flag',
    [
        '--shard=4/4',
        '--shard=-1/4',
        '--shard=1',
        '--shard=a/b',
        '--limit=0',
        '--max_reject_fraction=1.5',
        '--max_reject_fraction=-0.1',
        '--verbosity=loud',
        '--output_path=out/',
        '--embedding_store=',
        '--output_path=out/tr*in',
        '--output_path=out/.train',
        '--output_path=a,b',
        '--output_path=out/train.0-of-4',
    ],
)
def test_impossible_values_are_errors_of_usage(flag):
    with pytest.raises(UsageError) as refused:
        parse(*NEEDED, flag)
    assert refused.value.exit_code == 2

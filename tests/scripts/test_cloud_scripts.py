"""The scripts for the clouds and the examples: what they call, what they say, and what they refuse to call."""

import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from shutil import which

import pytest

from tests.scripts.recorder import SCRIPTS, Recorder
from trainer.vertex_job import DEFAULT_IMAGE

MINE = ('dataflow.sh', 'train_vertex.sh', 'train_ai_platform.sh', 'hugs.sh', 'flowers.sh')
RECORDS = ('--train_data_paths', 'gs://b/a b/train', '--class_weights', 'a=0.1,b=0.9')


@pytest.fixture
def tools(tmp_path: Path) -> Recorder:
    return Recorder.made(tmp_path / 'a folder')


def call(tools: Recorder, *beginning: str) -> list[str]:
    """The one call of a tool, without its first words."""
    (found,) = [words for words in tools.calls if words[: len(beginning)] == list(beginning)]
    return found[len(beginning) :]


def flags(words: Sequence[str]) -> dict[str, str]:
    return dict(word.partition('=')[::2] for word in words if word.startswith('--'))


def printed(ended: 'subprocess.CompletedProcess[str]') -> list[list[str]]:
    """The commands a script says it runs, as a shell would read them."""
    return [shlex.split(line[2:]) for line in ended.stderr.splitlines() if line.startswith('+ ')]


@pytest.mark.parametrize('script', sorted(path.name for path in SCRIPTS.glob('*.sh')))
def test_every_script_parses(script: str) -> None:
    ended = subprocess.run(['bash', '-n', str(SCRIPTS / script)], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, '')


@pytest.mark.skipif(which('shellcheck') is None, reason='shellcheck is not installed')
@pytest.mark.parametrize('script', sorted(path.name for path in SCRIPTS.glob('*.sh')))
def test_shellcheck_has_nothing_to_say(script: str) -> None:
    ended = subprocess.run(
        ['shellcheck', '--external-sources', '--source-path', str(SCRIPTS.parent), str(SCRIPTS / script)],
        capture_output=True,
        text=True,
    )
    assert ended.stdout == ''


@pytest.mark.parametrize('script', MINE)
def test_help_says_how_it_is_used_and_calls_nothing(tools: Recorder, script: str) -> None:
    ended = tools.run(script, '--help')
    assert (ended.returncode, ended.stderr, tools.calls) == (0, '', [])
    assert ended.stdout.startswith(f'usage: scripts/{script}')


# What is missing, wrong or too much, and a word of what is said about it.
MISTAKES = [
    ('dataflow.sh', (), '--input_path is missing'),
    ('dataflow.sh', ('--input_path', 'a.csv', '--input_dict', 'd', '--output_path', 'here'), 'not on a bucket'),
    ('dataflow.sh', ('--input_path',), '--input_path needs a value'),
    ('dataflow.sh', ('--input_path', '--input_dict', 'd'), '--input_path needs a value'),
    ('dataflow.sh', ('pictures.csv',), 'unknown argument pictures.csv'),
    ('dataflow.sh', ('--speed', '9'), 'unknown argument --speed'),
    (
        'dataflow.sh',
        ('--input_path=a', '--input_dict=d', '--output_path=gs://b/x', '--num_workers=many'),
        'no number',
    ),
    ('train_vertex.sh', (), '--output_path is missing'),
    ('train_vertex.sh', ('--output_path', 'gs://b/o'), '--region is missing'),
    ('train_vertex.sh', ('--output_path', 'gs://b/o', '--region', 'r'), 'no flags of trainer.task'),
    ('train_vertex.sh', ('--output_path', 'gs://b/o', '--region', 'r', '--'), 'no flags of trainer.task'),
    ('train_vertex.sh', ('--output_path', 'gs://b/o', '--region', 'r', '--nodes', '0', '--', '-x'), 'number of machi'),
    ('train_vertex.sh', ('--output_path', 'gs://b/o', '--region', 'r', '--', '--a=b|c'), 'holds the sign |'),
    ('train_vertex.sh', ('--output_path=gs://b/o', '--region=r', '--accelerator=L4', '--', '-x'), 'needs --image'),
    ('train_vertex.sh', ('--output_path=gs://b/o', '--region=r', '--image=tf.2-17.py310', '--', '-x'), 'Python 3.10'),
    ('train_ai_platform.sh', (), '--output_path is missing'),
    ('train_ai_platform.sh', ('--output_path', 'out', '--', '-x'), 'not on a bucket'),
    ('train_ai_platform.sh', ('--output_path', 'gs://b/o', '--name', 'a-b', '--', '-x'), 'is no name'),
    ('hugs.sh', (), 'nothing to do'),
    ('hugs.sh', ('bake',), 'unknown step bake'),
    ('hugs.sh', ('preprocess',), 'No bucket supplied.'),
    ('hugs.sh', ('train',), 'No bucket supplied.'),
    ('hugs.sh', ('train', 'gs://b123'), 'No GCS path supplied'),
    ('hugs.sh', ('train', 'gs://b123', 'here'), 'not on a bucket'),
    ('flowers.sh', ('preprocess', 'gs://a bucket'), 'is no bucket'),
    ('flowers.sh', ('preprocess', 'gs://bucket', 'gs://my', 'pictures'), 'unexpected argument pictures'),
]


@pytest.mark.parametrize(('script', 'words', 'said'), MISTAKES)
def test_a_mistake_is_told_with_how_it_is_used_before_anything_is_called(
    tools: Recorder, script: str, words: tuple[str, ...], said: str
) -> None:
    ended = tools.run(script, *words)
    assert (ended.returncode, ended.stdout, tools.calls) == (2, '', [])
    assert ended.stderr.startswith(f'usage: scripts/{script}')
    what, where, do = ended.stderr.splitlines()[-3:]
    assert what.startswith('error: ') and said in what
    assert where == f'where: scripts/{script}' and do.startswith('do: ')


def test_dataflow_makes_records_of_one_csv(tools: Recorder) -> None:
    words = [
        '--input_path',
        'gs://b/my pictures.csv',
        '--input_dict=gs://b/dict.txt',
        '--output_path',
        'gs://b/p/train',
    ]
    ended = tools.run('dataflow.sh', *words, '--region', 'europe-west1', '--', '--encoder', 'mini', '--labels', 'a=b')
    assert ended.returncode == 0, ended.stderr
    assert call(tools, 'python', '-m', 'preprocess.run') == [
        *('--cloud', '--input_path', 'gs://b/my pictures.csv', '--input_dict', 'gs://b/dict.txt'),
        *('--output_path', 'gs://b/p/train', '--num_workers', '3', '--region', 'europe-west1'),
        *('--encoder', 'mini', '--labels', 'a=b'),
    ]
    (shown,) = printed(ended)
    assert shown[1:] == tools.calls[0][1:]


def test_vertex_gets_package_module_machine_and_flags(tools: Recorder) -> None:
    image = DEFAULT_IMAGE.replace('cpu', 'gpu')
    words = ['--output_path', 'gs://b/my out', '--region', 'europe-west1', '--accelerator', 'NVIDIA_L4:2', '--nodes=3']
    words += ['--machine_type', 'g2-standard-8', f'--image={image}']
    ended = tools.run('train_vertex.sh', *words, '--', *RECORDS, USER='Ann Onym')
    assert ended.returncode == 0, ended.stderr
    words = call(tools, 'gcloud', 'ai', 'custom-jobs', 'create')
    machine = 'machine-type=g2-standard-8,accelerator-type=NVIDIA_L4,accelerator-count=2'
    code = f'executor-image-uri={image},python-module=trainer.task'
    assert [word for word in words if word.startswith('--worker')] == [
        f'--worker-pool-spec={machine},replica-count=1,{code}',
        f'--worker-pool-spec={machine},replica-count=2,{code}',
    ]
    said = flags(words)
    assert said['--python-package-uris'] == 'gs://b/my out/packages/0123/headlight-0.1.0.tar.gz'
    assert said['--args'].split('|') == ['^', '^--output_path=gs://b/my out', *RECORDS]
    assert re.fullmatch(r'headlight-ann-onym-\d{8}-\d{6}', said['--display-name'])
    assert [shown[1:] for shown in printed(ended)] == [made[1:] for made in tools.calls]


def test_names_of_flags_may_have_hyphens(tools: Recorder) -> None:
    words = ['--output-path=gs://b/o', '--region=r', '--machine-type', 'n1-highmem-8', '--dry-run', '--', *RECORDS]
    ended = tools.run('train_vertex.sh', *words)
    assert (ended.returncode, tools.calls) == (0, [])
    pool = f'machine-type=n1-highmem-8,replica-count=1,executor-image-uri={DEFAULT_IMAGE},python-module=trainer.task'
    assert f'--worker-pool-spec={pool}' in printed(ended)[-1]


def test_an_image_of_ones_own_needs_no_package(tools: Recorder) -> None:
    image = 'europe-docker.pkg.dev/me/images/trainer:7'
    ended = tools.run('train_vertex.sh', '--output_path=gs://b/o', '--region=r', f'--image={image}', '--', *RECORDS)
    assert ended.returncode == 0, ended.stderr
    (words,) = tools.calls
    said = flags(words)
    assert said['--worker-pool-spec'] == f'machine-type=n1-standard-4,replica-count=1,container-image-uri={image}'
    assert '--python-package-uris' not in said


@pytest.mark.parametrize('script', ['train_vertex.sh', 'train_ai_platform.sh'])
def test_dry_run_prints_the_commands_and_runs_none(tools: Recorder, script: str) -> None:
    ended = tools.run(script, '--output_path=gs://b/o', '--region=us-east1', '--dry_run', '--', *RECORDS)
    assert (ended.returncode, tools.calls) == (0, [])
    assert printed(ended)[-1][0] == 'gcloud'


def test_a_submission_that_fails_ends_with_the_code_of_a_failed_run(tools: Recorder) -> None:
    image = 'me/trainer:7'
    words = ['--output_path=gs://b/o', '--region=r', f'--image={image}', '--', *RECORDS]
    ended = tools.run('train_vertex.sh', *words, ENDS_WITH='1')
    assert ended.returncode == 5
    assert 'error: gcloud did not submit the job' in ended.stderr


def test_the_old_spelling_says_that_its_service_has_ended(tools: Recorder) -> None:
    ended = tools.run('train_ai_platform.sh', '--output_path', 'gs://b/my out', '--name', 'hugs_1', '--', *RECORDS)
    assert ended.returncode == 0, ended.stderr
    assert 'shut AI Platform Training down on 2025-01-31' in ended.stderr
    assert 'scripts/train_vertex.sh' in ended.stderr
    words = call(tools, 'gcloud', 'ai-platform', 'jobs', 'submit', 'training')
    said = flags(words[: words.index('--')])
    assert (words[0], said['--module-name'], said['--job-dir']) == ('hugs_1', 'trainer.task', 'gs://b/my out')
    assert (said['--package-path'], said['--staging-bucket']) == (str(SCRIPTS.parent / 'trainer'), 'gs://b')
    assert words[words.index('--') + 1 :] == list(RECORDS)


def test_the_old_spelling_still_runs_here(tools: Recorder) -> None:
    ended = tools.run('train_ai_platform.sh', '--output_path', 'my out', '--local', '--', *RECORDS)
    assert ended.returncode == 0, ended.stderr
    words = call(tools, 'gcloud', 'ai-platform', 'local', 'train')
    assert words[-len(RECORDS) - 2 :] == ['--job-dir=my out', '--', *RECORDS]
    assert 'shut' not in ended.stderr


@pytest.mark.parametrize(
    ('example', 'train', 'evaluation'),
    [('hugs', 'train_data.csv', 'eval_data.csv'), ('flowers', 'train_set.csv', 'eval_set.csv')],
)
def test_an_example_makes_both_sets_and_says_what_comes_next(
    tools: Recorder, example: str, train: str, evaluation: str
) -> None:
    ended = tools.run(f'{example}.sh', 'preprocess', 'my-bucket/', 'gs://mine/of me/', USER='Ann')
    assert ended.returncode == 0, ended.stderr
    calls = [words[3:] for words in tools.calls]
    assert [dict(zip(words[1::2], words[2::2], strict=False))['--input_path'] for words in calls] == [
        f'gs://mine/of me/{name}' for name in (evaluation, train, evaluation)
    ]
    assert ['--no_wait' in words for words in calls] == [True, False, False]
    assert all(words[:3] == ['--cloud', '--num_workers', '3'] for words in calls)
    prefixes = [words[words.index('--output_path') + 1] for words in calls]
    home = prefixes[1].removesuffix('/preproc/train')
    assert re.fullmatch(rf'gs://my-bucket/ann/{example}_ann_\d{{8}}_\d{{6}}', home)
    assert prefixes == [f'{home}/preproc/eval', f'{home}/preproc/train', f'{home}/preproc/eval']
    following = next(line for line in ended.stderr.splitlines() if line.startswith('next: '))
    assert shlex.split(following)[1:] == [f'scripts/{example}.sh', 'train', 'gs://my-bucket', home]


def test_without_user_a_path_has_no_empty_name(tools: Recorder) -> None:
    ended = tools.run('hugs.sh', 'preprocess', 'my-bucket')
    (_, train, _) = tools.calls
    prefix = train[train.index('--output_path') + 1]
    assert re.match(r'gs://my-bucket/[a-z0-9-]+/hugs_[a-z0-9-]+_\d{8}_\d{6}/', prefix), ended.stderr
    assert '//' not in prefix.removeprefix('gs://') and '__' not in prefix


def test_an_example_trains_on_what_was_made(tools: Recorder) -> None:
    ended = tools.run('hugs.sh', 'train', 'my-bucket', 'gs://my-bucket/a b/', 'hugs_ann_1', REGION='us-east1')
    assert ended.returncode == 0, ended.stderr
    assert call(tools, 'python', '-m', 'trainer.task') == [
        *('--cloud', '--train_data_paths', 'gs://my-bucket/a b/preproc/train'),
        *('--eval_data_paths', 'gs://my-bucket/a b/preproc/eval', '--output_path', 'gs://my-bucket/a b/training'),
        *('--region', 'us-east1', '--job_name', 'hugs-ann-1', '--unlabelled_class'),
    ]
    assert 'predict.local --model_dir gs://my-bucket/a\\ b/training/model' in ended.stderr


def test_an_example_ends_with_the_code_of_the_step_that_failed(tools: Recorder) -> None:
    ended = tools.run('flowers.sh', 'preprocess', 'my-bucket', ENDS_WITH='4')
    assert (ended.returncode, len(tools.calls)) == (4, 1)

"""A Dataflow job as it is asked for, and as Beam is told of it."""

import dataclasses

import pytest

from preprocess import command, dataflow_config, options
from preprocess.cloud_place import CloudPlace
from preprocess.command import FlagParser
from preprocess.dataflow_config import DataflowConfig
from preprocess.failures import UsageError

NEEDED = ['--input_path=gs://b/a.csv', '--input_dict=gs://b/d.txt', '--output_path=gs://b/out/train']
PLACE = ['--project=a-project', '--region=europe-west1']
PLAIN = DataflowConfig(
    place=CloudPlace('a-project', 'europe-west1'),
    job_name='a-job',
    staging_location='gs://b/s',
    temp_location='gs://b/t',
)


def parsed(*flags: str) -> DataflowConfig:
    parser = FlagParser('x', 'y')
    options.add_flags(parser)
    found, beam_args = command.parse_with_beam(parser, [*NEEDED, *PLACE, *flags])
    return dataflow_config.from_flags(found, beam_args, output_dir='gs://b/out')


def test_what_is_not_asked_for_lies_below_the_output_and_fits_an_encoder() -> None:
    made = parsed()
    assert (made.staging_location, made.temp_location) == ('gs://b/out/.dataflow/staging', 'gs://b/out/.dataflow/temp')
    args = made.beam_args()
    assert {
        '--runner=DataflowRunner',
        '--max_num_workers=10',
        '--autoscaling_algorithm=THROUGHPUT_BASED',
        '--worker_machine_type=n2-standard-8',
        '--experiments=no_use_multiple_sdk_containers',
        '--number_of_worker_harness_threads=8',
        '--no_save_main_session',
    } <= set(args)
    assert not [one for one in args if one.startswith(('--num_workers', '--sdk_container_image', '--labels'))]


def test_everything_asked_for_arrives() -> None:
    made = parsed(
        *['--num_workers=20', '--autoscaling_algorithm=NONE', '--worker-machine-type=n1-highmem-16', '--labels=a=b'],
        *['--label=team=birds', '--labels={"cost": "7"}', '--sdk_container_image=i', '--job_name=mine', '--no_wait'],
        *['--service_account_email=me@x', '--staging_location=gs://s/1', '--temp_location=gs://s/2'],
        *['--disk_size_gb=50', '--dataflow_service_options=enable_prime', '--runner=DataflowRunner'],
    )
    assert made == DataflowConfig(
        place=CloudPlace('a-project', 'europe-west1'),
        job_name='mine',
        staging_location='gs://s/1',
        temp_location='gs://s/2',
        num_workers=20,
        max_num_workers=20,
        autoscaling='NONE',
        machine_type='n1-highmem-16',
        container='i',
        labels=('a=b', 'team=birds', 'cost=7'),
        service_account='me@x',
        wait=False,
        more=('--disk_size_gb=50', '--dataflow_service_options=enable_prime'),
    )
    assert {'--labels=cost=7', '--disk_size_gb=50', '--num_workers=20'} <= set(made.beam_args())
    assert made.workers == '20 x n1-highmem-16'


@pytest.mark.parametrize(
    ('machine', 'cores', 'threads'),
    [
        ('n1-standard-1', 1, 4),
        ('n2-standard-8', 8, 8),
        ('c3-standard-22-lssd', 22, 12),
        ('n2-custom-6-24576', 6, 6),
        ('custom-10-20480-ext', 10, 10),
        ('e2-medium', 2, 4),
        ('a2-highgpu-1g', 4, 4),
    ],
)
def test_bundles_under_way_follow_the_cores(machine: str, cores: int, threads: int) -> None:
    made = dataclasses.replace(PLAIN, machine_type=machine)
    assert (made.cores, made.harness_threads) == (cores, threads)


@pytest.mark.parametrize(
    ('change', 'where'),
    [
        ({'job_name': 'My job'}, '--job_name'),
        ({'staging_location': '/tmp'}, '--staging_location'),
        ({'temp_location': 'gs://'}, '--temp_location'),
        ({'num_workers': 11}, '--num_workers'),
        ({'max_num_workers': 0}, '--max_num_workers'),
        ({'machine_type': 'N2-standard-8'}, '--machine_type'),
        ({'labels': ('Team=x',)}, '--labels'),
        ({'labels': ('team',)}, '--labels'),
        ({'setup_file': '/x/setup.cfg'}, '--setup_file'),
        ({'more': ('--template_location=gs://b/t',)}, '--template_location'),
        ({'more': ('--region=r', '--update')}, '--update'),
    ],
)
def test_a_job_that_could_not_run_is_not_made(change: dict, where: str) -> None:
    with pytest.raises(UsageError) as raised:
        dataclasses.replace(PLAIN, **change)
    assert raised.value.where == where

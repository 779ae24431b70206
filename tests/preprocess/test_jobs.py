"""Runners that are not there are refused before anything is done."""

import socket

import pytest

from preprocess import jobs
from preprocess.failures import RunFailed, UsageError


def test_a_runner_there_is_not_is_a_usage_error_with_the_nearest_one() -> None:
    with pytest.raises(UsageError) as caught:
        jobs.check(['--runner=DataflowRuner'])
    assert (caught.value.what, caught.value.where) == ('there is no runner DataflowRuner', '--runner')
    assert caught.value.do.startswith('did you mean DataflowRunner?')


@pytest.mark.parametrize(
    'name', ['DirectRunner', 'FnApiRunner', 'PortableRunner', 'dataflowrunner', 'some.package.Runner']
)
def test_runners_beam_knows_are_taken(name: str) -> None:
    jobs.check([f'--runner={name}'])


def test_fewer_workers_than_none_are_an_error_of_usage() -> None:
    with pytest.raises(UsageError, match='there can not be -1 workers'):
        jobs.check(['--direct_num_workers=-1', '--direct_running_mode=multi_processing'])


def test_a_job_server_that_does_not_answer_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        endpoint = f'127.0.0.1:{taken.getsockname()[1]}'
        with pytest.raises(RunFailed) as caught:
            jobs.check(['--runner=PortableRunner', f'--job_endpoint={endpoint}'])
        assert caught.value.where == f'--job_endpoint {endpoint}'
        assert caught.value.what == 'no job server answers there: connection refused'
        taken.listen()
        jobs.check(['--runner=PortableRunner', f'--job_endpoint={endpoint}'])


def test_an_address_without_a_port_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match='is no address'):
        jobs.check(['--runner=PortableRunner', '--job_endpoint=localhost'])

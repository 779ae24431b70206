"""Handing a pipeline to Dataflow: wired and staged by Beam, started, not waited for."""

import logging
import tempfile

from preprocess import gcs_files, worker_package
from preprocess.dataflow_config import DataflowConfig
from preprocess.failures import Failure, InputError, RunFailed
from preprocess.jobs import Build
from preprocess.worker_package import Needs

_log = logging.getLogger(__name__)
_TAKEN = 409
# From here on it is the service that has a fault, and who knows what it had done by then.
_OF_THE_SERVICE = 500


class NameTaken(InputError):
    """A job of this name runs already."""


def submit(build: Build, config: DataflowConfig, *, needs: Needs) -> str:
    """The id of the job that runs what `build` wires; workers get this code and what it `needs`.

    InputError: there is no such job. RunFailed: nobody knows whether there is one.
    """
    from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    with tempfile.TemporaryDirectory(prefix='headlight-worker-') as folder:
        setup_file = config.setup_file or worker_package.write(folder, needs)
        try:
            return _run(build, config.beam_args(setup_file=setup_file))
        except DataflowJobAlreadyExistsError as error:
            # How the service says it where a request has an id of its own: it answers with the job that there is.
            raise _taken(config) from error
        except GoogleAPICallError as error:
            _log.error('Dataflow did not take the job', exc_info=error)
            raise _failure(error.code, error.message, config) from error
        except (RequestException, GoogleAuthError) as error:
            _log.error('Dataflow may or may not have taken the job', exc_info=error)
            raise _unanswered(error, config) from error
        except OSError as error:
            # Beam tells in one what kept it from staging; ours, of a disk or a bucket, keep their own words.
            if error.errno is not None:
                raise
            raise InputError(
                _first_line(error), where=config.staging_location, do='see that you may write there'
            ) from error
        except RuntimeError as error:
            if 'subprocess' not in str(error) and 'setup' not in str(error).lower():
                raise
            _log.error('the package for workers could not be built', exc_info=error)
            raise InputError(
                f'the package for workers could not be built: {_first_line(error)}',
                where=f'--setup_file {setup_file}',
                do='see log.txt for what its build said',
            ) from error


def _run(build: Build, beam_args: list[str]) -> str:
    from apache_beam import Pipeline
    from apache_beam.options.pipeline_options import PipelineOptions

    pipeline = Pipeline(options=PipelineOptions(beam_args))
    build(pipeline)
    return str(pipeline.run().job_id())


def _taken(config: DataflowConfig) -> NameTaken:
    return NameTaken(
        f'a job called {config.job_name} is running already',
        where='--job_name',
        do='give another name, or wait for that job',
    )


def _failure(code: int | None, said: str, config: DataflowConfig) -> Failure:
    if code == _TAKEN:
        return _taken(config)
    if code is None or code >= _OF_THE_SERVICE:
        do = 'the same command looks whether it was taken, and submits it if not'
        return RunFailed(f'Dataflow did not say that it took the job: {said}', where=_where(config), do=do)
    return InputError(
        f'Dataflow does not take the job: {said}', where=_where(config), do='correct what it says, or try again'
    )


def _unanswered(error: BaseException, config: DataflowConfig) -> Failure:
    """A network that went away while the job was on its way."""
    return RunFailed(
        f'the connection to Google Cloud was lost while the job was submitted: {gcs_files.cause(error)}',
        where=_where(config),
        do='look whether the network is up; the same command looks whether it was taken, and submits it if not',
    )


def _where(config: DataflowConfig) -> str:
    return f'Dataflow, project {config.place.project}, region {config.place.region}'


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

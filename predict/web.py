"""A model -> a web page and a JSON API: `python -m predict.web --model_dir DIR`."""

import argparse
import logging
import os
from collections.abc import Mapping, Sequence

from predict import server_config
from predict.description import Description
from predict.server_config import ServerConfig
from preprocess import command
from preprocess.command import FlagParser

_PROG = 'python -m predict.web'
_EPILOG = """\
The page is at /, the API at /docs, counters for Prometheus at /metrics. A model that is exported anew into DIR is
served as soon as it is loaded. What the flags don't say is taken from AIP_HTTP_PORT, AIP_PREDICT_ROUTE,
AIP_HEALTH_ROUTE and AIP_STORAGE_URI, as Vertex AI sets them. Who reaches the port may ask.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal; 0 when everything that was accepted is answered."""
    config = _config(_parser().parse_args(argv), os.environ)
    for module in ('uvicorn', 'starlette', 'python_multipart'):
        command.require(module, extra='serve', why='web servers')
    if config.model_dir:
        description = Description.read(config.model_dir)
        description.shape_for_pictures(config.model_dir)
        description.for_single_pictures(config.model_dir)
    _log_to_terminal(config.verbosity)
    from predict import running

    running.run(config)
    return 0


def _parser() -> FlagParser:
    parser = FlagParser(_PROG, 'Serve a model: a page to drop pictures on, and a JSON API.', epilog=_EPILOG)
    add = parser.add_argument
    add('--model_dir', metavar='DIR', help='the folder that holds saved_model.pb')
    add('--endpoint', metavar='URL', help='or a model served elsewhere: .../v1/models/NAME:predict, .../endpoints/ID')
    add('--host', metavar='ADDRESS', help='where to listen (default 127.0.0.1; 0.0.0.0: everywhere)')
    add('--port', type=int, metavar='N', help='default 8080; 0: any that is free')
    add('--model_name', metavar='NAME', help='its name in addresses (default headlight)')
    add('--top_k', type=int, metavar='N', help='name the N best labels with their scores')
    add('--threshold', type=float, metavar='T', help='the score a label needs; when none has it: unsure')
    _add_network(parser)
    _add_load(parser)
    add('--verbosity', metavar='LEVEL', help='WARNING (default); INFO: a line for every request')
    return parser


def _add_network(parser: FlagParser) -> None:
    add = parser.add_argument_group('the network').add_argument
    add('--engine', metavar='NAME', help='tensorflow (default) or openvino')
    add('--precision', metavar='NAME', help='float32 (default), bfloat16, int8 or auto')
    add('--encoder_dir', metavar='DIR', help='for int8: a quantised encoder, as STORE/KEY/encoder')
    add('--calibration_pictures', metavar='FOLDER', help='or: pictures to quantise on, 100 at the least')
    add('--network_threads', type=int, metavar='N', help='threads of the network (default: one a core)')
    add('--decoders', type=int, metavar='N', help='processes that decode pictures (default: one a core)')
    add = parser.add_argument_group('with --endpoint').add_argument
    add('--size', type=int, metavar='N', help='side of the squares to send (default: what the endpoint says, or 299)')
    add('--input_dict', metavar='FILE', help='dict.txt: names of its scores, where the endpoint does not say them')


def _add_load(parser: FlagParser) -> None:
    add = parser.add_argument_group('load').add_argument
    add('--batch_size', type=int, metavar='N', help='pictures in a batch, at the most (default 8)')
    add('--batch_wait_ms', type=float, metavar='MS', help='wait so long for others on their way (default 5)')
    add('--queue', type=int, metavar='N', help='pictures accepted at a time; more get 503 (default 128)')
    add('--max_request_mb', type=int, metavar='N', help='a larger request gets 413 (default 32)')
    add('--max_connections', type=int, metavar='N', help='connections at a time (default 512)')
    add('--reload_secs', type=float, metavar='S', help='look for a new export so often (default 2; 0: never)')


def _config(options: argparse.Namespace, environment: Mapping[str, str]) -> ServerConfig:
    """Flags, then the environment, then defaults."""
    said = {name: value for name, value in vars(options).items() if value is not None}
    told = server_config.from_environment(environment)
    if 'endpoint' in said:
        told.pop('model_dir', None)
    return ServerConfig(**{**told, **said})


def _log_to_terminal(verbosity: str) -> None:
    """What the server has to tell goes to stderr; what libraries have, does not."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter('%(asctime)s %(levelname)s %(message)s'))
    for name in ('predict', 'uvicorn.error'):
        logging.getLogger(name).addHandler(handler)
    logging.getLogger('predict').setLevel(verbosity)
    # At WARNING it tells of every malformed request.
    logging.getLogger('uvicorn.error').setLevel(logging.ERROR if verbosity == 'WARNING' else verbosity)


if __name__ == '__main__':
    command.run(main)

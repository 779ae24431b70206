"""A worker process of the local runner: Beam's own, but deaf to Ctrl-C, which is for the driver to pass on in order."""

import signal
import sys


def main() -> None:
    """Work until the runner hangs up."""
    for name in ('SIGINT', 'SIGHUP'):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


if __name__ == '__main__':
    main()

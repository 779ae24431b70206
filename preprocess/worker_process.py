"""A worker process of the local runner: Beam's own, but deaf to Ctrl-C, and with its chatter in a file.

Ctrl-C is for the driver, which passes it on in order.
"""

import contextlib
import io
import os
import signal
import sys


def main() -> None:
    """Work until the runner hangs up; the first argument is the file for what is said on standard error."""
    for name in ('SIGINT', 'SIGHUP'):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    _redirect_stderr(sys.argv[1])
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv[:1])


def _redirect_stderr(path: str) -> None:
    try:
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        # A disk that takes no log may still take the work, or fails it with a better message.
        log = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(log, 2)
    os.close(log)
    sys.stderr = _Heedless()


class _Heedless(io.TextIOBase):
    """Standard error whose disk may fill up: Beam prints an error before it reports it, and must get that far."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            os.write(2, text.encode('utf-8', 'backslashreplace'))
        return len(text)


if __name__ == '__main__':
    main()

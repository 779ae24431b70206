"""A headless Chromium for tests, spoken to in its DevTools protocol over a pipe: no driver, no package."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
_FLAGS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--no-first-run',
    '--remote-debugging-pipe',
)
_PATIENCE_S = 60


def path() -> str | None:
    """Where one is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """A tab."""

    def __init__(self, writer: int, reader: int) -> None:
        self._writer = writer
        self._reader = reader
        self._number = 0
        self._session: str | None = None
        self._buffer = b''
        self.events: deque[dict] = deque()
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self._session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            self.call(f'{domain}.enable')

    def call(self, method: str, **parameters) -> dict:
        """One command and its result; events that come meanwhile are kept."""
        self._number += 1
        request = {'id': self._number, 'method': method, 'params': parameters}
        if self._session:
            request['sessionId'] = self._session
        os.write(self._writer, json.dumps(request).encode() + b'\0')
        while True:
            message = self._next()
            if message.get('id') == self._number:
                assert 'error' not in message, (method, message['error'])
                return message['result']
            self.events.append(message)
            if message.get('method') == 'Page.javascriptDialogOpening':
                # A dialog stops the page, and so this test.
                raise AssertionError(f'a script opened a dialog: {message["params"]}')

    def open(self, url: str, *, width: int = 1200, height: int = 900, mobile: bool = False) -> None:
        """Go there, and wait until it is loaded."""
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call('Emulation.setTouchEmulationEnabled', enabled=mobile)
        self.call('Page.navigate', url=url)
        self.wait('document.readyState === "complete"')

    def run(self, expression: str):
        """The value of JavaScript in the page."""
        said = self.call('Runtime.evaluate', expression=expression, awaitPromise=True, returnByValue=True)
        assert 'exceptionDetails' not in said, said['exceptionDetails']
        return said['result'].get('value')

    def wait(self, condition: str) -> None:
        """Wait until an expression is true."""
        poll = f'const look = () => ({condition}) ? done() : setTimeout(look, 20); look();'
        too_long = f'setTimeout(() => fail("too long"), {_PATIENCE_S}000);'
        self.run(f'new Promise((done, fail) => {{ {poll} {too_long} }})')

    def drop(self, files: list[Path], selector: str) -> None:
        """Files dragged from a file manager onto an element."""
        box = self.run(
            f'(({{x, y}}) => [x + 20, y + 20])(document.querySelector("{selector}").getBoundingClientRect())'
        )
        data = {'items': [], 'files': [str(file) for file in files], 'dragOperationsMask': 1}
        for kind in ('dragEnter', 'dragOver', 'drop'):
            self.call('Input.dispatchDragEvent', type=kind, x=box[0], y=box[1], data=data)

    def choose(self, files: list[Path], selector: str) -> None:
        """Files chosen in the dialog of an input element."""
        root = self.call('DOM.getDocument')['root']['nodeId']
        node = self.call('DOM.querySelector', nodeId=root, selector=selector)['nodeId']
        self.call('DOM.setFileInputFiles', nodeId=node, files=[str(file) for file in files])

    def screenshot(self, file: Path) -> None:
        """The whole page as a picture."""
        shot = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot['data']))

    def requests(self) -> list[str]:
        """The addresses that were asked for."""
        asked = [event for event in self.events if event.get('method') == 'Network.requestWillBeSent']
        return [event['params']['request']['url'] for event in asked]

    def _next(self) -> dict:
        while b'\0' not in self._buffer:
            more = os.read(self._reader, 1 << 16)
            assert more, 'Chromium ended'
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b'\0')
        return json.loads(message)


@contextmanager
def page() -> Iterator[Page]:
    """A browser with one page, gone at the end."""
    to_browser, writer = os.pipe()
    reader, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:

        def place_pipes() -> None:
            # Chromium reads at descriptor 3 and writes at 4.
            os.dup2(os.dup(to_browser), 3)
            os.dup2(os.dup(from_browser), 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        browser = subprocess.Popen(
            [str(path()), *_FLAGS, f'--user-data-dir={profile}', 'about:blank'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=place_pipes,
            close_fds=False,
            process_group=0,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Page(writer, reader)
        finally:
            os.close(writer)
            browser.kill()
            browser.wait()
            os.close(reader)

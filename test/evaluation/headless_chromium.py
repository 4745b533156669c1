"""Chromium without a window, told what to do over a pipe (DevTools protocol)."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = (
    *('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'),
    *('--hide-scrollbars', '--mute-audio', '--no-first-run', '--no-default-browser-check'),
    *('--disable-background-networking', '--disable-component-update', '--disable-sync'),
    *('--disable-extensions', '--force-device-scale-factor=1', '--remote-debugging-pipe'),
)
TIMEOUT_S = 240.0  # the machine may be busy


def find_chromium() -> str | None:
    """The program, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """Context manager: one page of one browser.

    Attributes:
        complaints: what the page's console and the browser had against it.
        requests: addresses that the page asked for, those within it left out.
    """

    def __init__(self, program: str, profile: Path) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._program = program
        self._profile = profile
        self._last = 0
        self._session = ''
        self._pending = b''
        self._loaded = False

    def __enter__(self) -> Chromium:
        from_us, self._write = os.pipe()
        self._read, to_us = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        script = f'exec "$@" 3<&{from_us} 4>&{to_us}'
        command = ['bash', '-c', script, 'bash', self._program, *FLAGS]
        self._process = subprocess.Popen(
            [*command, f'--user-data-dir={self._profile}', 'about:blank'],
            pass_fds=(from_us, to_us),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(to_us)
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def open(self, file: Path, width: int, height: int = 900) -> None:
        """Show a file in a window of this size, and wait until it is loaded."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self._loaded = False
        self.call('Page.navigate', url=file.resolve().as_uri())
        self._until(lambda: self._loaded, 'the page to load')

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for."""
        answer = self.call(
            'Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in answer, answer['exceptionDetails']
        return answer['result'].get('value')

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true."""
        end_s = time.monotonic() + TIMEOUT_S
        while not self.evaluate(f'Boolean({expression})'):
            assert time.monotonic() < end_s, f'waited for {expression}; {self.complaints}'
            time.sleep(0.05)

    def picture(self, file: Path) -> None:
        """Write the whole page as a PNG."""
        size = self.call('Page.getLayoutMetrics')['cssContentSize']
        clip = {'x': 0, 'y': 0, 'width': size['width'], 'height': size['height'], 'scale': 1}
        answer = self.call('Page.captureScreenshot', captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(answer['data']))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its answer."""
        self._last += 1
        message: dict[str, Any] = {'id': self._last, 'method': method, 'params': parameters}
        if self._session:
            message['sessionId'] = self._session
        data = json.dumps(message).encode() + b'\0'
        while data:
            data = data[os.write(self._write, data) :]
        found: dict[str, Any] = {}

        def answered() -> bool:
            return found.get('id') == self._last

        self._until(answered, method, found)
        assert 'error' not in found, f'{method}: {found["error"]}'
        result: dict[str, Any] = found['result']
        return result

    def _until(self, done: Any, what: str, into: dict[str, Any] | None = None) -> None:
        """Read messages until something has happened; answers are put into ``into``."""
        end_s = time.monotonic() + TIMEOUT_S
        while not done():
            while b'\0' not in self._pending:
                left_s = end_s - time.monotonic()
                ready, _, _ = select.select([self._read], [], [], max(left_s, 0))
                assert ready, f'the browser did not answer within {TIMEOUT_S} s: {what}'
                part = os.read(self._read, 1 << 20)
                assert part, f'the browser ended: {what}'
                self._pending += part
            line, _, self._pending = self._pending.partition(b'\0')
            message = json.loads(line)
            if 'id' in message and into is not None:
                into.update(message)
            self._note(message.get('method', ''), message.get('params', {}))

    def _note(self, method: str, event: dict[str, Any]) -> None:
        if method == 'Page.loadEventFired':
            self._loaded = True
        elif method == 'Runtime.exceptionThrown':
            details = event['exceptionDetails']
            self.complaints.append(details.get('exception', {}).get('description', str(details)))
        elif method == 'Runtime.consoleAPICalled' and event['type'] in ('error', 'warning'):
            self.complaints.append(' '.join(str(a.get('value')) for a in event['args']))
        elif method == 'Log.entryAdded' and event['entry']['level'] in ('error', 'warning'):
            self.complaints.append(event['entry']['text'])
        elif method == 'Network.requestWillBeSent':
            url = event['request']['url']
            if not url.startswith(('data:', 'about:')):
                self.requests.append(url)

"""A hub of one file on the loopback address, with the faults that a real one shows."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.server
import threading
from collections.abc import Iterator

COMMIT = '0123456789abcdef0123456789abcdef01234567'


@dataclasses.dataclass
class FakeHub:
    """What the server serves, how it misbehaves, and what it was asked."""

    content: bytes
    etag: str = ''
    status: int = 200
    commit: str = COMMIT
    break_after: list[int] = dataclasses.field(default_factory=list)  # one entry per GET to break
    dead: bool = False  # whether every GET after those breaks at once
    ignore_range: bool = False
    redirect_to: str = ''  # address of the store behind the hub, as the real one has it
    endpoint: str = ''
    heads: list[str] = dataclasses.field(default_factory=list)
    ranges: list[str | None] = dataclasses.field(default_factory=list)
    paths: list[str] = dataclasses.field(default_factory=list)
    logins: list[str | None] = dataclasses.field(default_factory=list)  # of GETs

    def __post_init__(self) -> None:
        self.etag = self.etag or hashlib.sha256(self.content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    hub: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.hub.heads.append(self.path)
        if self._refused():
            return
        self._head(self.hub.status, len(self.hub.content))

    def do_GET(self) -> None:
        hub = self.hub
        hub.paths.append(self.path)
        hub.logins.append(self.headers.get('Authorization'))
        asked = self.headers.get('Range')
        hub.ranges.append(asked)
        if self._refused():
            return
        start = int(asked.removeprefix('bytes=').rstrip('-')) if asked else 0
        body = hub.content
        if start and not hub.ignore_range:
            body = hub.content[start:]
            self._head(206, len(body), f'bytes {start}-{len(hub.content) - 1}/{len(hub.content)}')
        else:
            self._head(200, len(body))
        if hub.break_after or hub.dead:
            body = body[: hub.break_after.pop(0) if hub.break_after else 0]
            self.close_connection = True
        self.wfile.write(body)

    def _refused(self) -> bool:
        if self.hub.redirect_to and '/resolve/' in self.path:
            self._head(302, 0, location=self.hub.redirect_to)
            return True
        if self.hub.status == 200:
            return False
        self.send_response(self.hub.status)
        if self.hub.status == 404:
            self.send_header('X-Error-Code', 'EntryNotFound')
        self.send_header('Content-Length', '0')
        self.end_headers()
        return True

    def _head(self, status: int, length: int, content_range: str = '', location: str = '') -> None:
        self.send_response(status)
        self.send_header('Content-Length', str(length))
        self.send_header('ETag', f'"{self.hub.etag}"')
        self.send_header('X-Linked-Etag', f'"{self.hub.etag}"')
        self.send_header('X-Linked-Size', str(len(self.hub.content)))
        if self.hub.commit:
            self.send_header('X-Repo-Commit', self.hub.commit)
        self.send_header('Accept-Ranges', 'bytes')
        if location:
            self.send_header('Location', location)
        if content_range:
            self.send_header('Content-Range', content_range)
        self.end_headers()


@contextlib.contextmanager
def running_hub() -> Iterator[FakeHub]:
    """Serve a file of 3 MB that do not compress."""
    fake = FakeHub(b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(100_000)))
    handler = type('BoundHandler', (Handler,), {'hub': fake})
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    fake.endpoint = f'http://127.0.0.1:{server.server_port}'
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

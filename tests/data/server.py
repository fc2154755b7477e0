"""An HTTP server in a thread that does what a test tells it to, on this machine alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Exchange(BaseHTTPRequestHandler):
    """One request. `Server.answer` gets it and answers."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.requests.append((self.path, dict(self.headers)))
        self.server.answer(self)

    def log_message(self, format: str, *args: object) -> None:
        """Tests read `Server.requests`."""

    @property
    def first(self) -> int:
        """The byte that is asked for as the first; 0 without a Range."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def say(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """A whole answer; Content-Length is that of the body unless `headers` say another."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def part(self, whole: bytes, until: int | None = None, etag: str = '"one"') -> None:
        """What is asked for of a file, as a server with ranges does it; cut off before byte `until`."""
        state = self.headers.get("If-Range", etag)
        first = self.first if state == etag else 0
        headers = {"Content-Length": str(len(whole) - first), "ETag": etag}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(whole) - 1}/{len(whole)}"
        self.say(206 if first else 200, whole[first:until], headers)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[Exchange], None]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()
        """Set at the end, for answers that wait for ever."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def ranges(self) -> list[str]:
        """The Range of every request so far, empty where there was none."""
        return [headers.get("Range", "") for _, headers in self.requests]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is what some tests are about."""


@contextmanager
def serving(answer: Callable[[Exchange], None]) -> Iterator[Server]:
    with Server(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()

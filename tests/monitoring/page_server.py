"""A server with nothing but a page of metrics, which a test can change, and can end and start again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PageServer:
    """`page` makes the text of each scrape. `scrapes` counts them, `others` the requests of other paths."""

    def __init__(self, page: Callable[[], str] | str) -> None:
        self.page = page
        self.status = 200
        self.scrapes = 0
        self.others = 0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """On the same port as before."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.scrapes += 1
                owner.others += self.path != "/metrics"
                text = owner.page if isinstance(owner.page, str) else owner.page()
                body = text.encode()
                self.send_response(owner.status)
                self.send_header("Content-Type", TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                """No such route."""
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def end(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def page_server(page: Callable[[], str] | str) -> Iterator[PageServer]:
    server = PageServer(page)
    try:
        yield server
    finally:
        server.end()

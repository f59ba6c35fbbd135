"""Sends requests and keeps what came back, byte by byte."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from support.errors import SettingsError
from support.http.body_limit import ACCEPTED_ENCODINGS, BodyTooLong, limit_body
from support.http.deadline import DEADLINES
from support.http.exchange import NO_STATUS, Exchange
from support.http.framing import STREAM_TYPES, completed_at, server_error, stream_state
from support.http.responsiveness import RESPONSIVENESS, AnsweredRequest
from support.settings import ca_file, certificate_file_problem, redact_url
from support.units import JsonMapping

ANSWER_SECONDS = 30.0
Chunks = list[tuple[float, bytes]]
# Proxies (in small letters too) and CAs. Some values stop each client of httpx: SOCKS, a missing file.
TRANSPORT_VARIABLES = frozenset(
    {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"}
)


class RequestFailed(AssertionError):
    """The server refused, broke off, or did not finish in time."""


@contextlib.contextmanager
def without_transport_variables() -> Iterator[None]:
    """For the import of a package that makes a client at once; nothing may be requested inside."""
    names = [name for name in os.environ if name.upper() in TRANSPORT_VARIABLES]
    kept = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(kept)


def tls_context(base_url: str) -> ssl.SSLContext:
    """One for all clients: httpx makes one for each, also for http, which takes longer than most answers.

    For https it trusts what SSL_CERT_FILE or SSL_CERT_DIR has (without them the public CAs), and
    `target_ca_file`. Raises `SettingsError` when SSL_CERT_FILE cannot be used.
    """
    if not base_url.lower().startswith("https:"):
        return _tls_context(verify=False)
    variable = os.environ.get("SSL_CERT_FILE")
    if variable and (problem := certificate_file_problem(Path(variable))):
        raise SettingsError(
            f"environment variable SSL_CERT_FILE = {variable!r} is wrong: {problem}; "
            "give a file of certificates in PEM form, or unset it"
        )
    return _tls_context(verify=True, trusted=(variable, os.environ.get("SSL_CERT_DIR")), ca=ca_file())


@functools.cache
def _tls_context(
    *, verify: bool, trusted: tuple[str | None, str | None] = (None, None), ca: Path | None = None
) -> ssl.SSLContext:
    """`trusted`: the variables that httpx reads."""
    context = httpx.create_ssl_context(verify=verify, trust_env=any(trusted))
    if ca is not None:
        context.load_verify_locations(cafile=ca)
    return context


# `[Errno 111] Connection refused`: the number is of no use to a reader.
_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")
_UNKNOWN_CA = "give the certificate of its CA with TARGET_CA_FILE or SSL_CERT_FILE"
_RENEW = "renew it on the server, or correct the clock of this machine"
_OTHER_HOST = "use a host name that it is for"
# By the codes of OpenSSL (x509_vfy.h): not yet valid, expired; wrong host name, wrong IP address.
_REMEDIES = {9: _RENEW, 10: _RENEW, 62: _OTHER_HOST, 64: _OTHER_HOST}


def tls_problem(error: BaseException | None) -> str:
    """What is wrong with TLS, and the remedy; empty for an error that is no TLS error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            remedy = _REMEDIES.get(error.verify_code, _UNKNOWN_CA)
            return f"its certificate is not trusted ({error.verify_message.rstrip('.')}); {remedy}"
        if isinstance(error, ssl.SSLError):
            return f"no TLS connection ({error.reason or error}); is it http, not https?"
        error = error.__cause__ or error.__context__
    return ""


class ApiClient:
    """One server's API. Keeps every `Exchange` of its life, unfinished ones too, in `exchanges`."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout: float = ANSWER_SECONDS,
        may_be_silent: bool = False,
    ) -> None:
        """`timeout`: seconds for a whole answer, a stream that trickles included.

        `may_be_silent`: no answer is a usual result, of a server that starts or has ended for example; it
        does not count as unresponsive.
        """
        self.base_url = base_url.rstrip("/")
        self._may_be_silent = may_be_silent
        self.exchanges: list[Exchange] = []
        self._timeout = timeout
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = self._new_client()
        self._socket: socket.socket | None = None
        self._timed_out = threading.Event()

    def _new_client(self) -> httpx.Client:
        # Loopback and given targets only: no proxy of the environment may come between.
        return httpx.Client(
            headers=ACCEPTED_ENCODINGS,
            timeout=self._timeout,
            trust_env=False,
            follow_redirects=False,
            verify=tls_context(self.base_url),
        )

    def close(self) -> None:
        self._client.close()

    def reconnect(self) -> None:
        """Go on with new connections: a server may close one on which it has refused a body unread."""
        self._client.close()
        self._client = self._new_client()

    def get(self, path: str) -> Exchange:
        return self.send("GET", path)

    def post(self, path: str, document: JsonMapping) -> Exchange:
        """Send a JSON document."""
        body = json.dumps(document, ensure_ascii=False).encode()
        return self.send("POST", path, body=body, headers={"Content-Type": "application/json"})

    def send(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """Send exactly these bytes and read to the end; raises `RequestFailed`.

        An empty header is not sent: `{"Authorization": ""}` leaves the key out. Raises `ServerUnresponsive`
        when the server has not answered several requests before this one.
        """
        if not self._may_be_silent:
            RESPONSIVENESS.require(self.base_url)
        url = self.base_url + path
        sent = {name: value for name, value in {**self._headers, **(headers or {})}.items() if value}
        request = self._client.build_request(
            method, url, content=body or None, headers=sent, extensions={"trace": self._trace}
        )
        started = time.monotonic()
        response: httpx.Response | None = None
        chunks: Chunks = []
        self._timed_out.clear()
        why: httpx.HTTPError | BodyTooLong | None = None
        try:
            # httpx' time-out is per read: an answer that trickles for ever never meets it.
            with DEADLINES.limit(self._timeout, self._abort):
                response = self._client.send(request, stream=True)
                try:
                    limit_body(response)
                    for chunk in response.iter_bytes():
                        chunks.append((time.monotonic() - started, chunk))
                finally:
                    response.close()
        except (httpx.HTTPError, BodyTooLong) as error:
            why = error
        finally:
            exchange = exchange_of(request, url, body, response, chunks, time.monotonic() - started)
            # Also one without an end, whatever ended it: a reader of the failure needs it most.
            self.exchanges.append(exchange)
        if self._timed_out.is_set() or isinstance(why, httpx.TimeoutException):
            reason = f"the server did not {'finish' if chunks else 'answer'} within {self._timeout:g} s"
            reason = _unended_stream(exchange, "left it open", reason)
        elif isinstance(why, BodyTooLong):
            reason = str(why)
        elif why is not None:
            connected = not isinstance(why, httpx.ConnectError)
            reason = (
                f"the server broke off ({why})"
                if connected
                else f"no connection ({_ERROR_NUMBER.sub('', str(why))})"
            )
            reason = tls_problem(why) or _unended_stream(exchange, "broke off", reason)
        else:
            if method == "POST" and exchange.status < 300 and not self._may_be_silent:
                RESPONSIVENESS.answered(self.base_url, AnsweredRequest(path, tuple(sent.items()), body))
            return exchange
        progress = f"{len(exchange.body)} bytes had come in {len(chunks)} reads"
        failure = f"{method} {exchange.url}: {reason}"
        if not isinstance(why, httpx.ConnectError):
            failure += f"; {progress}"
        if not self._may_be_silent:
            RESPONSIVENESS.unanswered(self.base_url, failure, self._answers_again)
        raise RequestFailed(failure) from why

    def _answers_again(self, request: AnsweredRequest) -> bool:
        with contextlib.closing(
            ApiClient(self.base_url, timeout=self._timeout, may_be_silent=True)
        ) as client:
            try:
                answer = client.send("POST", request.path, body=request.body, headers=dict(request.headers))
            except RequestFailed:
                return False
            return answer.status < 300

    @property
    def closed(self) -> bool:
        """Whether it can ask no more."""
        return self._client.is_closed

    def try_get(self, path: str, *, timeout: float) -> Exchange | None:
        """A GET beside the scenario: not kept, and None when there is no answer in so many seconds."""
        mark, usual, silent = len(self.exchanges), self._timeout, self._may_be_silent
        self._timeout, self._may_be_silent = min(timeout, usual), True
        try:
            return self.get(path)
        except RequestFailed:
            return None
        finally:
            self._timeout, self._may_be_silent = usual, silent
            del self.exchanges[mark:]

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self._timed_out.is_set():
                self._abort()

    def _abort(self) -> None:
        self._timed_out.set()
        if self._socket is not None:
            # Shut down, not closed: that wakes a read which is waiting in the other thread.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _unended_stream(exchange: Exchange, what: str, reason: str) -> str:
    """The reason with the server's own error first, and with how far the stream had come before."""
    if exchange.content_type not in STREAM_TYPES:
        return reason
    state, position = stream_state(exchange.body)
    complete, after = completed_at(exchange)
    if complete:
        reason = f"the stream was {complete} after {after:.1f} s, then the server {what}: {reason}"
    elif state.startswith("no event"):
        reason = f"the stream had {state}: {reason}"
    elif state:
        reason = f"{reason}, the stream had {state} after {exchange.arrival_time(position):.1f} s"
    return "; ".join(filter(None, (server_error(exchange.body), reason)))


def exchange_of(
    request: httpx.Request,
    url: str,
    body: bytes,
    response: httpx.Response | None,
    chunks: Chunks,
    seconds: float,
) -> Exchange:
    """The exchange of a request of httpx; without a response its status is `NO_STATUS`."""
    return Exchange(
        method=request.method,
        url=redact_url(url),
        request_headers=dict(request.headers),
        request_body=body,
        status=NO_STATUS if response is None else response.status_code,
        headers={} if response is None else {name.lower(): text for name, text in response.headers.items()},
        body=b"".join(chunk for _, chunk in chunks),
        seconds=seconds,
        chunks=tuple(chunks),
    )

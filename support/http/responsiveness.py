"""Notices a server that no longer answers, so that each further request does not wait for its time limit.

After three requests in a row without a complete response, a request that the server has answered before is
repeated. Without an answer to that either, no more requests are sent to this server. `GET` requests do not
count as a sign of life: the web framework of a server whose engine hangs still answers `/health`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support.errors import AcceptanceError
from support.settings import redact_url

UNANSWERED_LIMIT = 3
# What generates; a longer body is not kept.
GENERATING = ("/completions", "/messages", "/responses", "/api/chat", "/api/generate")
MAX_KEPT_BYTES = 65_536


class ServerUnresponsive(AcceptanceError):
    """The server has not answered several requests in a row; no more are sent to it."""

    @property
    def cause(self) -> str:
        """The same for all that needs this server (`support.errors.cause_of`)."""
        return str(self)


@dataclass(frozen=True)
class AnsweredRequest:
    """A POST request that a server has answered, to be repeated."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class _Server:
    def __init__(self) -> None:
        # What failed, since the last response.
        self.unanswered: list[str] = []
        self.answered: AnsweredRequest | None = None
        self.lost = ""


class Responsiveness:
    """The servers of this process, by their address. Threads may share it."""

    def __init__(self) -> None:
        self._servers: defaultdict[str, _Server] = defaultdict(_Server)
        self._lock = threading.Lock()
        self._unreported: list[tuple[str, str, list[str]]] = []
        # Started by this process, so that no other one knows about them.
        self._own: set[str] = set()

    def require(self, base_url: str) -> None:
        """Raises `ServerUnresponsive` when this server no longer answers."""
        lost = self._servers[base_url].lost
        if lost:
            raise ServerUnresponsive(lost)

    def answered(self, base_url: str, request: AnsweredRequest) -> None:
        """A POST request was answered with success."""
        with self._lock:
            server = self._servers[base_url]
            server.unanswered = []
            if request.path.endswith(GENERATING) and len(request.body) <= MAX_KEPT_BYTES:
                server.answered = request

    def unanswered(self, base_url: str, failure: str, answers: Callable[[AnsweredRequest], bool]) -> None:
        """A request had no complete response: `failure`. `answers` repeats a request; its success."""
        with self._lock:
            server = self._servers[base_url]
            server.unanswered.append(failure)
            count = len(server.unanswered)
            if count < UNANSWERED_LIMIT or server.lost:
                return
            before = server.answered
        if before is not None and answers(before):
            with self._lock:
                server.unanswered = []
            return
        repeated = f", nor POST {before.path}, which it had answered before" if before else ""
        with self._lock:
            if not server.lost:
                server.lost = (
                    f"the server at {redact_url(base_url)} has not answered {count} requests in a row"
                    f"{repeated}; nothing more is sent to it (the last one: {failure})"
                )
                self._unreported.append((base_url, server.lost, server.unanswered))

    def forget(self, base_url: str) -> None:
        """A server of this process, a new one, listens at this address now."""
        with self._lock:
            self._servers.pop(base_url, None)
            self._own.add(base_url)

    def mark_lost(self, lost: Mapping[str, str]) -> None:
        """Other processes of the run have lost these servers: addresses, and the sentences to report."""
        with self._lock:
            for base_url in lost.keys() - self._own:
                self._servers[base_url].lost = lost[base_url]

    def take_unreported(self) -> list[tuple[str, str, list[str]]]:
        """Of each server that was lost since the last call: address, sentence, unanswered requests."""
        with self._lock:
            taken, self._unreported = self._unreported, []
        return taken


RESPONSIVENESS = Responsiveness()

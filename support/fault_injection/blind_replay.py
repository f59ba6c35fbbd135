"""Sends a check the responses of a recording instead of those of a server: nothing is requested."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from support.conformance.case_table import all_checks
from support.conformance.contract import RECORDED_AT
from support.fault_injection.blind_mutations import Mutation
from support.fault_injection.blind_recordings import Recording, run_on
from support.http.client import ApiClient
from support.http.exchange import Exchange

Verdict = Literal["detected", "survived", "undecided", "broken"]
# Method, path and body.
_Key = tuple[str, str, bytes]
# No server has this address: a check that uses another client than the given one fails at once.
NOWHERE = "http://127.0.0.1:0"
# A check may wait for a state; so often it gets the last response to a request once more.
REPEATED = 2


class BeyondRecording(Exception):
    """A check needs a response that was not recorded: what it does next is not known."""


class ReplayedClient(ApiClient):
    """An `ApiClient` that has the responses of a recording, by method, path and body, then in their order."""

    def __init__(self, recorded: Sequence[Exchange]) -> None:
        # Without the client of httpx, which would take longer than the check.
        self.base_url = NOWHERE
        self.exchanges = []
        self._left: defaultdict[_Key, deque[Exchange]] = defaultdict(deque)
        self._repeated: defaultdict[_Key, int] = defaultdict(int)
        self._last: dict[_Key, Exchange] = {}
        for exchange in recorded:
            self._left[_key_of(exchange)].append(exchange)
        self._keys = list(self._left)

    def close(self) -> None:
        """There is no connection."""

    def reconnect(self) -> None:
        """There is no connection."""

    def send(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        del headers
        key = self._recorded_key(method, path.partition("?")[0], body)
        if self._left[key]:
            self._last[key] = self._left[key].popleft()
        elif key in self._last and self._repeated[key] < REPEATED:
            self._repeated[key] += 1
        else:
            raise BeyondRecording(f"{method} {path}")
        self.exchanges.append(self._last[key])
        return self._last[key]

    def _recorded_key(self, method: str, path: str, body: bytes) -> _Key:
        """The request itself; for one that has a random part, the next one like it that was recorded."""
        key = (method, path, body)
        if key in self._keys:
            return key
        unused = [other for other in self._keys if self._left[other] and other[0] == method]
        return next((other for other in unused if other[1] == path), unused[0] if unused else key)


@dataclass(frozen=True)
class Judgement:
    """What a check finds in a response with a mutation. `layer`, `text`: of its first failure."""

    verdict: Verdict
    layer: str = ""
    text: str = ""


def judge(recording: Recording, mutation: Mutation | None = None) -> Judgement:
    """Run the check of a recording on its responses, of which one may be changed."""
    exchanges = list(recording.exchanges)
    if mutation is not None:
        for number, changed in mutation.apply().items():
            exchanges[number] = changed
    client = ReplayedClient(exchanges)
    # A later judgement must not make the times in the responses wrong.
    clock = RECORDED_AT.set(recording.recorded_at)
    try:
        outcome = run_on(
            client, replace(recording.server, base_url=NOWHERE), all_checks()[recording.check_id]
        )
    except BeyondRecording as error:
        return Judgement("undecided", text=str(error))
    except Exception as error:  # noqa: BLE001 - a check must never fail so, and that is a result
        return Judgement("broken", type(error).__name__, str(error))
    finally:
        RECORDED_AT.reset(clock)
    if outcome.passed:
        return Judgement("survived")
    failure = outcome.failures[0] if outcome.failures else None
    return Judgement("detected", failure.layer if failure else "missing route", outcome.reason)


def _key_of(exchange: Exchange) -> _Key:
    """Of a request, without the address of the server."""
    path = urlsplit(exchange.url).path
    return exchange.method, path, exchange.request_body

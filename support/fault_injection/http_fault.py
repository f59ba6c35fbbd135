"""One fault of the exchanges of a server, as data: which ones it is for, and what it does to them.

Matching (`on`): `path` (a pattern of the whole path), `method`, `request` (path in its JSON -> a value, or
true for any that is not empty), `header` (name -> pattern), `status` (`"4xx"` or a number),
`without_header` (names).
`every`: each N-th of those that match, `after` and `until`: from and to the N-th one.

What it does to the request (`request`): a list of JSON changes (`json_changes.py`). To the response:

`status`, `headers` (an empty one is dropped), `body`   replaced; `body` without `status` keeps the status
`change`          list of changes of the JSON body, or of the events of a stream:
                  a JSON change, or one of the bytes (`replace`, `by`: a pattern), also with the line ends of
                  an event (`framing`, `by`), or of whole events (`event`: `drop`, `twice`, `hold` until the
                  next one, `before` or `after` with `bytes`); `only` chooses events: `first`, `done`, `last`
                  (with a finish reason), `content`, `content 3`, `middle`, `usage`, or a number from 0
`previous`        the body of the response before it, on the same path; `frozen`: that of the first
`as_one`          all events in one write, when the answer is complete; `pieces`: writes of so many bytes
`delay`, `event_delay`, `bytes_per_second`   seconds, seconds, bytes
`jitter`          seconds by which each `delay` and `event_delay` is longer or shorter, evenly distributed,
                  never below 0; the same sequence in each run
`ends_after`      bytes of the body; then `how`: `abort` (the connection breaks), `reset`, `stall` or `end`;
                  `how` = `down` without it: the connection breaks before the response
`stays_open`      seconds after the complete body without its end
`goes_on`         the server's answer is read to its end although the client has left
`memory`          bytes that are never released again; `kills`: the server's process ends
`closes`          the connection is closed after the response; `gzip`: the body is compressed where accepted
`notes`           nothing is changed; that it would have been is noted with this text
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from support.fault_injection.json_changes import Json, apply, is_json_change, values

_ON = frozenset(
    {"path", "method", "request", "header", "without_header", "status", "every", "after", "until"}
)
_DOES = frozenset(
    {
        *(
            "request",
            "status",
            "headers",
            "body",
            "change",
            "previous",
            "frozen",
            "as_one",
            "pieces",
            "delay",
        ),
        *("event_delay", "bytes_per_second", "ends_after", "how", "stays_open", "goes_on", "memory", "kills"),
        *("closes", "gzip", "notes", "jitter"),
    }
)
JITTER_SEED = 0
_EVENTS = ("drop", "twice", "hold", "before", "after")


def unknown_words(table: Mapping[str, Any]) -> list[str]:
    """What has no meaning here: with a misspelt key, a fault does nothing or is one of other exchanges."""
    found = [*(table["on"].keys() - _ON), *(table.keys() - _DOES - {"on"})]
    found += [min(change) for change in table.get("request", ()) if not is_json_change(change)]
    for change in table.get("change", ()):
        if "event" in change:
            found += [change["event"]] if change["event"] not in _EVENTS else []
        elif not (is_json_change(change) or {"replace", "framing"} & change.keys()):
            found.append(min(change))
    if "jitter" in table and not {"delay", "event_delay"} & table.keys():
        found.append("jitter without delay or event_delay")
    return found


def delay_seconds(does: Mapping[str, Any], name: str, sequence: random.Random) -> float:
    """The next `delay` or `event_delay`, with its jitter; 0 without it."""
    if name not in does:
        return 0.0
    seconds, jitter = float(does[name]), float(does.get("jitter", 0))
    return max(seconds + sequence.uniform(-jitter, jitter), 0.0)


@dataclass
class HttpFault:
    """A fault with its count of matching exchanges."""

    on: Mapping[str, Any]
    does: Mapping[str, Any]
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def changes_request(self) -> bool:
        """Whether it is one of requests."""
        return "request" in self.does

    @property
    def reads_request(self) -> bool:
        """Whether the body of a request decides, or is changed."""
        return "request" in self.on or self.changes_request

    def matches_head(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Whether the request is one that it is for, but for its body."""
        if not re.fullmatch(self.on.get("path", ".*"), path.partition("?")[0]):
            return False
        if "method" in self.on and method not in self.on["method"].split("|"):
            return False
        for name, pattern in self.on.get("header", {}).items():
            if not re.search(pattern, headers.get(name, "")):
                return False
        return not any(name in headers for name in self.on.get("without_header", ()))

    def matches_body(self, body: bytes) -> bool:
        """Whether the body is that of a request that it is for."""
        wanted: Mapping[str, Any] = self.on.get("request", {})
        if not wanted:
            return True
        document = json_of(body)
        return all(_is_wanted(values(document, name), value) for name, value in wanted.items())

    def matches_status(self, status: int) -> bool:
        """Whether the response is one that it is for."""
        wanted = str(self.on.get("status", "xxx"))
        return all(letter in ("x", digit) for letter, digit in zip(wanted, str(status), strict=False))

    def applies(self) -> bool:
        """Count one more that matches; whether it is one of those that are changed."""
        number = next(self._count)
        if number <= self.on.get("after", 0) or number > self.on.get("until", number):
            return False
        return bool((number - self.on.get("after", 0)) % self.on.get("every", 1) == 0)

    def changed_request(self, body: bytes) -> bytes:
        """The body that the server gets."""
        for change in self.does["request"]:
            body = _with_json_change(body, change)
        return body

    def changed_body(self, body: bytes) -> bytes:
        """The body that the client gets, of a response that is no stream."""
        for change in self.does.get("change", ()):
            if "replace" in change:
                body = re.sub(change["replace"].encode(), change["by"].encode(), body, flags=re.DOTALL)
            elif is_json_change(change) and "only" not in change:
                body = _with_json_change(body, change)
        return body


def _with_json_change(body: bytes, change: Mapping[str, Any]) -> bytes:
    """As it was where it is no JSON or nothing changes."""
    document = json_of(body)
    return body if document is None else changed_json(body, document, change)


def _is_wanted(found: list[Json], value: Any) -> bool:
    if value is True:
        return any(found)
    if value is False:
        return not found or not any(found)
    return any(one == value for one in found)


def json_of(body: bytes) -> Json:
    """The document; None when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def changed_json(data: bytes, document: Json, change: Mapping[str, Any]) -> bytes:
    """The document after the change, made in place; `data`, as it was written, where nothing changed."""
    before = json.dumps(document)
    apply(document, change)
    same = json.dumps(document) == before and not change.get("ascii")
    return data if same else dumped(document, change)


def dumped(document: Json, change: Mapping[str, Any]) -> bytes:
    """As the servers write it: without blanks, in UTF-8; with `ascii` escaped."""
    return json.dumps(document, ensure_ascii=change.get("ascii", False), separators=(",", ":")).encode()

"""Changes of a stream, event by event as they come: server-sent events or lines of NDJSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from support.fault_injection.http_fault import changed_json, json_of
from support.fault_injection.json_changes import Json, is_json_change, values

_SSE_END = re.compile(rb"\r?\n\r?\n")
DONE = b"[DONE]"
# Of the OpenAI API, the Ollama API.
_FINISH = ("choices.*.finish_reason", "done_reason")
_CONTENT = ("choices.*.delta.content", "choices.*.text", "message.content", "response")


class EventStream:
    """Splits bytes into events, and changes each. `is_changed`: whether one was."""

    def __init__(self, changes: Sequence[Mapping[str, Any]], content_type: str) -> None:
        self._changes = changes
        self._is_sse = "event-stream" in content_type
        self.is_changed = False
        self._rest = b""
        # Of the events with data, and of those with content.
        self._number = 0
        self._contents = 0
        self._held: list[bytes] = []

    def feed(self, part: bytes) -> list[bytes]:
        """The events that are complete now, changed, with their ends."""
        self._rest += part
        found: list[bytes] = []
        while True:
            if self._is_sse:
                end = _SSE_END.search(self._rest)
                at = end.end() if end else 0
            else:
                at = self._rest.find(b"\n") + 1
            if not at:
                return found
            event, self._rest = self._rest[:at], self._rest[at:]
            found += self._changed(event)

    def finish(self) -> list[bytes]:
        """What is left at the end."""
        rest = [*self._held, *([self._rest] if self._rest else [])]
        self._held, self._rest = [], b""
        return rest

    def _changed(self, event: bytes) -> list[bytes]:
        prefix, data, end = self._parts(event)
        if data is None:
            return [event]
        document = json_of(data)
        kinds = self._kinds(data, document)
        self._number += 1
        self._contents += "content" in kinds
        before: list[bytes] = []
        after: list[bytes] = []
        kept, twice, held = True, False, len(self._held)
        for change in self._changes:
            if change.get("only", "any") not in kinds:
                continue
            if is_json_change(change):
                if document is not None:
                    data = changed_json(data, document, change)
            elif "replace" in change:
                data = re.sub(change["replace"].encode(), change["by"].encode(), data, flags=re.DOTALL)
                document = json_of(data)
            elif "framing" in change:
                prefix, data, end = (
                    b"",
                    re.sub(change["framing"].encode(), change["by"].encode(), prefix + data + end),
                    b"",
                )
            else:
                kind = change["event"]
                kept &= kind != "drop"
                twice |= kind == "twice"
                if kind == "before":
                    before.append(change["bytes"].encode())
                elif kind == "after":
                    after.append(change["bytes"].encode())
                elif kind == "hold":
                    # Behind the next one.
                    self._held.append(prefix + data + end)
                    kept = False
        whole = [prefix + data + end] * (kept + (kept and twice))
        if kept and self._held:
            after = [*self._held, *after]
            self._held = []
        changed = [*before, *whole, *after]
        # One that is held is a change once another has come before it.
        self.is_changed |= len(self._held) <= held and changed != [event]
        return changed

    def _parts(self, event: bytes) -> tuple[bytes, bytes | None, bytes]:
        """What is before the data, the data (None: a comment), what is behind."""
        if not self._is_sse:
            return b"", event.rstrip(b"\r\n"), event[len(event.rstrip(b"\r\n")) :]
        match = re.match(rb"((?:event:[^\n]*\n)?data: ?)(.*?)(\r?\n\r?\n)$", event, re.DOTALL)
        return (match[1], match[2], match[3]) if match else (event, None, b"")

    def _kinds(self, data: bytes, document: Json) -> set[object]:
        kinds: set[object] = {"any", self._number}
        if data.strip() == DONE:
            return {"any", "done"}
        if self._number == 0:
            kinds.add("first")
        finished = any(any(values(document, path)) for path in _FINISH)
        if finished or (isinstance(document, dict) and document.get("done") is True):
            kinds.add("last")
        if any(any(values(document, path)) for path in _CONTENT):
            kinds |= {"content", f"content {self._contents}"}
        if isinstance(document, dict) and document.get("usage"):
            kinds.add("usage")
        if not kinds & {"first", "last", "usage"}:
            kinds.add("middle")
        return kinds

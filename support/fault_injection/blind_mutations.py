"""Mutations of a recorded response, made mechanically: exactly one change each.

Of each field of the JSON: dropped, with a value of another type, given twice (with another value), its text
or list without the end, a list with an item twice or with two items swapped. Of each event of a stream, or
line of a text: dropped, twice, swapped with the next one, the response ended inside it. Each count one more
and one less. The id of another answer, in one event or in the whole answer. The status one class higher.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Literal, TypeAlias

from support.http.exchange import Exchange
from support.http.framing import DONE, STREAM_TYPES
from support.units import Json

Kind = Literal[
    "field dropped",
    "field retyped",
    "field twice",
    "text truncated",
    "list truncated",
    "list item twice",
    "list items swapped",
    "count +1",
    "count -1",
    "event dropped",
    "event twice",
    "events swapped",
    "truncated",
    "id of another answer",
    "ids swapped",
    "status +100",
]
# The names of fields that identify an answer or a part of one.
ID_FIELDS = ("id", "item_id", "call_id", "tool_call_id", "response_id")
# A name that no field has: it becomes the name of the field before it, which so is given twice.
_TWICE = "\u0001twice"
_WRITTEN_TWICE = json.dumps(_TWICE)[1:-1]
_LINE = re.compile(r"(?:# )?(?P<name>HELP|TYPE|[a-zA-Z_:][\w:]*)")
_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][^ ]*(?:\{[^\n]*\})?) (?P<value>\d+(?:\.0)?)$")
Path: TypeAlias = tuple[str | int, ...]


# Changes a document that is its own, and returns it.
Edit = Callable[[Json], Json]


@dataclass(frozen=True)
class Mutation:
    """One change. `response`: the number of the changed response of the check, from 0.

    `path`: the place of the field, list items as `[]`; `event`: number of the event, from 1; 0: no stream.
    `apply` makes the changed responses: their numbers, and what they are instead.
    """

    kind: Kind
    response: int
    event: int
    path: str
    apply: Callable[[], Mapping[int, Exchange]]

    @property
    def place(self) -> str:
        """`choices[].text in event 3 of response 1`."""
        event = f"event {self.event} of " if self.event else ""
        return f"{self.path or 'all'} in {event}response {self.response + 1}"


@dataclass(frozen=True)
class _Piece:
    """A part of a body: an event with its blank line, a line, or all. `json`: the place of its JSON in it."""

    data: bytes
    arrived: float
    json: tuple[int, int] | None

    @property
    def value(self) -> Json:
        assert self.json is not None
        return json.loads(self.data[slice(*self.json)])

    def edited(self, edit: Edit) -> _Piece:
        """The same with an edited document."""
        assert self.json is not None
        start, end = self.json
        text = json.dumps(edit(self.value), ensure_ascii=False, separators=(",", ":"))
        return replace(
            self, data=self.data[:start] + text.replace(_WRITTEN_TWICE, "").encode() + self.data[end:]
        )


@dataclass(frozen=True)
class _Change:
    kind: Kind
    path: Path
    edit: Edit


def mutations_of(
    exchanges: Sequence[Exchange],
    foreign_id: str = "",
    selected: Callable[[Exchange], bool] = lambda _: True,
) -> Iterator[Mutation]:
    """Every mutation of these responses. `foreign_id`: that of an answer to another request."""
    for number, exchange in enumerate(exchanges):
        if not exchange.status or not selected(exchange):
            continue
        higher = partial(replace, exchange, status=exchange.status + 100)
        yield Mutation("status +100", number, 0, "status", _only(number, higher))
        for kind, event, path, change in _of_body(exchange, foreign_id):
            yield Mutation(kind, number, event, path, _only(number, change))
    yield from _swapped_ids(exchanges, selected)


def _of_body(exchange: Exchange, foreign_id: str) -> Iterator[tuple[Kind, int, str, Callable[[], Exchange]]]:
    """Kind, number of the event and path of each change, and what makes the response with it."""
    pieces = _pieces(exchange)
    is_stream = len(pieces) > 1 or exchange.content_type in STREAM_TYPES

    def changed(
        kind: Kind, at: int, path: str, instead: Callable[[], list[_Piece]], skip: int = 1
    ) -> tuple[Kind, int, str, Callable[[], Exchange]]:
        def apply() -> Exchange:
            return _rebuilt(exchange, [*pieces[:at], *instead(), *pieces[at + skip :]])

        return kind, at + 1 if is_stream else 0, path, apply

    names = _names_of(pieces) if is_stream else [""] * len(pieces)
    for at, piece in enumerate(pieces):
        if is_stream:
            yield changed("event dropped", at, names[at], list)
            yield changed("event twice", at, names[at], partial(list, (piece, piece)))
            if at + 1 < len(pieces) and pieces[at + 1].data != piece.data:
                yield changed("events swapped", at, names[at], partial(list, (pieces[at + 1], piece)), 2)
        cut = replace(piece, data=piece.data[: max(len(piece.data.rstrip()) // 2, 1)])
        yield changed("truncated", at, names[at], partial(list, (cut,)), len(pieces) - at)
        if piece.json is None:
            for kind, line in _counted(piece):
                yield changed(kind, at, names[at], partial(list, (line,)))
            continue
        for change in _changes(piece.value, foreign_id if is_stream else ""):
            edited = partial(_edited, piece, change.edit)
            yield changed(change.kind, at, text_of(change.path), edited)


def _names_of(pieces: Sequence[_Piece]) -> list[str]:
    """What kind of event each is: `[DONE]`, its type, `first`, `last`, `middle`; of a sample its name."""
    last = max((at for at, piece in enumerate(pieces) if piece.json is not None), default=0)
    return [
        _name_of(piece, "first" if not at else "last" if at == last else "middle")
        for at, piece in enumerate(pieces)
    ]


def _name_of(piece: _Piece, place: str) -> str:
    if piece.json is None:
        text = piece.data.decode("utf-8", errors="replace").strip()
        if text.endswith(DONE):
            return DONE
        found = _LINE.match(text)
        return found["name"] if found else "text"
    value = piece.value
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else place


def text_of(path: Path) -> str:
    """`choices[].text`: items of lists have no number."""
    words = "".join("[]" if isinstance(name, int) else f".{name}" for name in path)
    return words.removeprefix(".")


def _rebuilt(exchange: Exchange, pieces: Sequence[_Piece]) -> Exchange:
    return replace(
        exchange,
        body=b"".join(piece.data for piece in pieces),
        chunks=tuple((piece.arrived, piece.data) for piece in pieces),
        headers={name: text for name, text in exchange.headers.items() if name != "content-length"},
    )


def _pieces(exchange: Exchange) -> list[_Piece]:
    body, kind = exchange.body, exchange.content_type
    if not body:
        return []
    ends = {
        "text/event-stream": rb".*?(?:\n\n|\Z)",
        "application/x-ndjson": rb"[^\n]*\n?",
        "text/plain": rb"[^\n]*\n?",
    }
    pattern = ends.get(kind)
    found = re.findall(pattern, body, re.DOTALL) if pattern else [body]
    pieces, position = [], 0
    for data in filter(None, found):
        position += len(data)
        pieces.append(_Piece(data, exchange.arrival_time(position), _place_of_json(data)))
    return pieces


def _place_of_json(data: bytes) -> tuple[int, int] | None:
    found = re.search(rb"^data: ?(.*)$", data, re.MULTILINE)
    start, end = found.span(1) if found else (0, len(data.rstrip()))
    try:
        value = json.loads(data[start:end])
    except ValueError:
        return None
    return (start, end) if data[start:end] != DONE.encode() and isinstance(value, dict | list) else None


def _counted(piece: _Piece) -> Iterator[tuple[Kind, _Piece]]:
    """The sample of a page of metrics, one more and one less."""
    found = _SAMPLE.match(piece.data.decode("utf-8", errors="replace").rstrip("\n"))
    if found is not None:
        for kind, step in _STEPS:
            line = f"{found['name']} {float(found['value']) + step:g}\n"
            yield kind, replace(piece, data=line.encode())


_STEPS: tuple[tuple[Kind, int], ...] = (("count +1", 1), ("count -1", -1))


def _changes(document: Json, foreign_id: str) -> Iterator[_Change]:
    for path, value in _places(document):
        if path and isinstance(path[-1], str):
            other = _retyped(value)
            yield _Change("field dropped", path, partial(_without, path=path))
            yield _Change("field retyped", path, partial(_with, path=path, value=other))
            twice = (*path[:-1], path[-1] + _TWICE)
            yield _Change("field twice", path, partial(_with, path=twice, value=other))
        for kind, other in _other_values(value):
            yield _Change(kind, path, partial(_with, path=path, value=other))
        if foreign_id and path == ("id",) and value != foreign_id:
            yield _Change("id of another answer", path, partial(_with, path=path, value=foreign_id))
    yield from _swapped_within(document)


def _other_values(value: Json) -> Iterator[tuple[Kind, Json]]:
    """Other values of the same type."""
    if isinstance(value, str) and value:
        yield "text truncated", value[:-1]
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from ((kind, value + step) for kind, step in _STEPS)
    elif isinstance(value, list) and value:
        yield "list truncated", value[:-1]
        yield "list item twice", [value[0], *value]
        for at in sorted({0, len(value) - 2}):
            if 0 <= at < len(value) - 1 and value[at] != value[at + 1]:
                yield "list items swapped", [*value[:at], value[at + 1], value[at], *value[at + 2 :]]


def _swapped_within(document: Json) -> Iterator[_Change]:
    """The ids of two parts of one answer, such as two tool calls."""
    found = [(path, value) for path, value in _places(document) if path and path[-1] in ID_FIELDS]
    for (one, first), (other, second) in pairwise(found):
        if text_of(one) == text_of(other) and first != second:
            yield _Change("ids swapped", one, partial(_both, (one, second), (other, first)))


def _both(first: tuple[Path, Json], second: tuple[Path, Json], document: Json) -> Json:
    return _with(_with(document, *first), *second)


def _swapped_ids(exchanges: Sequence[Exchange], selected: Callable[[Exchange], bool]) -> Iterator[Mutation]:
    """The id of one answer in the whole of the next one, and the other way round."""
    for number, (one, other) in enumerate(pairwise(exchanges)):
        first, second = _id_of(one), _id_of(other)
        if first and second and first != second and selected(one) and selected(other):
            apply = partial(_exchanged, number, (one, other), (first, second))
            yield Mutation("ids swapped", number, 0, "id", apply)


def _exchanged(
    number: int, answers: tuple[Exchange, Exchange], ids: tuple[str, str]
) -> Mapping[int, Exchange]:
    return {number: _replaced(answers[0], *ids), number + 1: _replaced(answers[1], *reversed(ids))}


def id_of(exchanges: Sequence[Exchange]) -> str:
    """That of the first answer; empty where none has one."""
    return next(filter(None, map(_id_of, exchanges)), "")


def _id_of(exchange: Exchange) -> str:
    for piece in _pieces(exchange):
        value = piece.value if piece.json else None
        if isinstance(value, dict):
            inner = value.get("response") or value.get("message")
            found = value.get("id") or (inner.get("id") if isinstance(inner, dict) else "")
            if isinstance(found, str) and found:
                return found
    return ""


def _replaced(exchange: Exchange, old: str, new: str) -> Exchange:
    before, after = json.dumps(old).encode(), json.dumps(new).encode()
    chunks = [replace(piece, data=piece.data.replace(before, after)) for piece in _pieces(exchange)]
    return _rebuilt(exchange, chunks)


def _places(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Each place of a document with its value; of a list of numbers or texts only the list."""
    yield path, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _places(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _places(item, (*path, number))


def _retyped(value: Json) -> Json:
    """A value of another type that means the same as far as that is possible."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if value is None:
        return 7
    if isinstance(value, str):
        return int(value) if value.isdecimal() else [value]
    if isinstance(value, dict):
        return list(value.values())
    return {str(number): item for number, item in enumerate(value)}


def _with(document: Json, path: Path, value: Json) -> Json:
    if not path:
        return value
    _parent(document, path)[path[-1]] = value
    return document


def _without(document: Json, path: Path) -> Json:
    _parent(document, path).pop(path[-1])
    return document


def _parent(document: Json, path: Path) -> Json:
    for name in path[:-1]:
        document = document[name]
    return document


def _edited(piece: _Piece, edit: Edit) -> list[_Piece]:
    return [piece.edited(edit)]


def _only(number: int, change: Callable[[], Exchange]) -> Callable[[], Mapping[int, Exchange]]:
    return lambda: {number: change()}

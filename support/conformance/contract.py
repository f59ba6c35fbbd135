"""Contracts: what every response of one kind has to fulfil, whatever the request was."""

from __future__ import annotations

import math
import time
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from support.conformance.response_parser import Chunk, ConformanceError, ParsedResponse
from support.units import Json, JsonMapping

N = TypeVar("N", int, float)
EXTRA_FIELDS = Path(__file__).with_name("oracles") / "extra_fields.toml"
MAX_ERRORS = 5
# Characters of a wrong value.
MAX_VALUE = 80
CLOCK_SLACK_SECONDS = 300
# When a recorded response was received, in seconds since 1970; None: the responses are those of now.
RECORDED_AT: ContextVar[float | None] = ContextVar("RECORDED_AT", default=None)
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Byte = Annotated[int, Field(ge=0, le=255)]
LogProbability = Annotated[float, Field(le=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Place = tuple[int | str, ...]
# An invariant over all JSON documents of a response: raises ValueError with what was found, `BrokenAt` where
# one of the documents is the first that breaks it.
Invariant = Callable[[Sequence[Json]], None]


class BrokenAt(ValueError):
    """An invariant is broken by the document of this index (from 0), the first one that does so."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


@contextmanager
def at_document(index: int) -> Iterator[None]:
    """A ValueError inside becomes `BrokenAt` this document."""
    try:
        yield
    except BrokenAt:
        raise
    except ValueError as error:
        raise BrokenAt(index, str(error)) from None


def first_index(documents: Sequence[Json], breaks: Callable[[Json], object]) -> int:
    """The index of the first document for which that is true."""
    return next(index for index, document in enumerate(documents) if breaks(document))


class StrictModel(BaseModel):
    """Base of the strict models: no conversion; unknown fields are collected and compared with a list."""

    model_config = ConfigDict(strict=True, extra="allow")

    @model_validator(mode="after")
    def _check_consistent(self) -> Self:
        self.require_consistent()
        return self

    def require_consistent(self) -> None:
        """Conditions beyond the types of the fields; raises ValueError."""

    def require_fields(self, names: Iterable[str]) -> None:
        """Raises ValueError when an object of this type lacks one of these fields."""
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            raise ValueError(f"type {getattr(self, 'type', None)} without {', '.join(missing)}")


class StreamEvent(StrictModel):
    """Base of the events of a stream. `fields_of_type`: what each type of event has beside common fields."""

    fields_of_type: ClassVar[Mapping[str, Sequence[str]]]
    common_fields: ClassVar[frozenset[str]] = frozenset({"type"})
    type: str

    def require_consistent(self) -> None:
        if self.type not in self.fields_of_type:
            raise ValueError(f"unknown type {self.type!r}")
        required = sorted(self.fields_of_type[self.type])
        actual = sorted(self.model_fields_set & type(self).model_fields.keys() - self.common_fields)
        if actual != required:
            raise ValueError(f"{self.type} has {required or 'nothing'}; this one: {actual or 'nothing'}")
        self.require_fields(required)


@dataclass(frozen=True)
class Contract:
    """The layers of one kind of response; for a stream the types hold for each chunk.

    official: a type of the API's own Python package, or None where it has none that fits.
    model: the suite's stricter one: presence, ranges, units.
    extra_fields_allowed: fields beyond the model, as paths without list indices (`usage.total_time_sec`).
    invariants: conditions across fields and chunks.
    timing: conditions on the times in a response, which are compared with those that were measured.
    named_events: the name of each event is the `type` of its data.
    """

    model: type[StrictModel]
    official: Any = None
    extra_fields_allowed: frozenset[str] = frozenset()
    invariants: tuple[Invariant, ...] = ()
    timing: tuple[Callable[[ParsedResponse], None], ...] = ()
    named_events: bool = False

    def check(self, parsed: ParsedResponse) -> None:
        """Raises `ConformanceError` for the first layer that is wrong."""
        if not parsed.chunks:
            raise ConformanceError("framing", "a response without any JSON document")
        for check in (self._check_official, self._check_model):
            for number, piece in enumerate(parsed.chunks, 1):
                try:
                    check(piece)
                except ConformanceError as error:
                    raise _located(error, parsed, number) from None
        if self.named_events:
            self._check_event_names(parsed.chunks)
        for invariant in self.invariants:
            try:
                invariant(parsed.values)
            except BrokenAt as error:
                raise _located(ConformanceError("invariants", str(error)), parsed, error.index + 1) from None
            except ValueError as error:
                raise ConformanceError("invariants", str(error)) from None
        for condition in self.timing:
            try:
                condition(parsed)
            except ValueError as error:
                raise ConformanceError("invariants", str(error)) from None

    @staticmethod
    def _check_event_names(chunks: Sequence[Chunk]) -> None:
        for number, piece in enumerate(chunks, 1):
            kind = piece.value["type"]
            if piece.event_name != kind:
                raise ConformanceError(
                    "framing", f"event {number} is named {piece.event_name!r}, its data is a {kind!r}"
                )

    def _check_official(self, chunk: Chunk) -> None:
        if self.official is None:
            return
        try:
            _adapter(self.official).validate_json(chunk.raw, strict=True)
        except ValidationError as error:
            raise _mismatch("official type", error) from None

    def _check_model(self, chunk: Chunk) -> None:
        try:
            found = self.model.model_validate(chunk.value)
        except ValidationError as error:
            raise _mismatch("contract", error) from None
        unknown = sorted(set(unknown_fields(found)) - self.extra_fields_allowed)
        if unknown:
            names = [f"unknown fields: {name}" for name in unknown]
            raise ConformanceError("contract", f"unknown fields: {', '.join(unknown)}", names)


def _located(error: ConformanceError, parsed: ParsedResponse, number: int) -> ConformanceError:
    """The error with the number of the chunk that it is about. Known issues are compared without that."""
    place = f"chunk {number} of {len(parsed.chunks)}: " if parsed.streamed else ""
    return ConformanceError(error.layer, f"{place}{error.actual}", error.details or (error.actual,))


def extra_fields(api: str) -> Mapping[str, frozenset[str]]:
    """Fields that responses of an API may have beyond the models, by the groups of `extra_fields.toml`."""
    groups = tomllib.loads(EXTRA_FIELDS.read_text(encoding="utf-8"))[api]
    return {name: frozenset(paths) for name, paths in groups.items()}


@cache
def _adapter(official: Any) -> TypeAdapter[Any]:
    # Created once: that takes longer than all the chunks of a stream.
    return TypeAdapter(official)


def _mismatch(layer: str, error: ValidationError) -> ConformanceError:
    """All errors, each with its place; the first few in one line, with their values where these are short."""
    places = {tuple(fault["loc"]): fault for fault in error.errors(include_url=False)}
    kept = [place for place in places if not _of_another_type(place, places)]
    faults = [
        f"{'.'.join(map(str, place)) or '(all)'}: {places[place]['msg'].removeprefix('Value error, ')}"
        for place in kept
    ]
    shown = [
        fault + _offending(places[place]["type"], places[place]["input"])
        for place, fault in zip(kept, faults, strict=True)
    ]
    return ConformanceError(layer, "; ".join(shown[:MAX_ERRORS]), faults)


def _of_another_type(place: Place, places: Collection[Place]) -> bool:
    """Whether the error is one of a type of a union (its name is in the place) that the object is not.

    An error in the field `type` shows that, when another type of the union has errors without that one.
    """
    for end in (number for number, name in enumerate(place, 1) if str(name)[:1].isupper()):
        union = place[: end - 1]
        members = {other[:end] for other in places if other[: end - 1] == union and len(other) > end - 1}
        fitting = {member for member in members if (*member, "type") not in places}
        if fitting and place[:end] not in fitting:
            return True
    return False


def _offending(kind: str, value: object) -> str:
    """The errors of the suite's own rules name it themselves, and what is missing has no value."""
    shown = repr(value)
    return "" if kind in ("missing", "value_error") or len(shown) > MAX_VALUE else f", got {shown}"


def unknown_fields(value: object, path: str = "") -> Iterator[str]:
    """Paths of all fields that are not in the models, without list indices."""
    if isinstance(value, list):
        for item in value:
            yield from unknown_fields(item, path)
    elif isinstance(value, BaseModel):
        yield from (f"{path}{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from unknown_fields(getattr(value, name), f"{path}{name}.")


def require_current_time(timestamp: N) -> N:
    """Seconds since 1970 that are the present time, as far as clocks agree; raises ValueError."""
    recorded = RECORDED_AT.get()
    if abs(timestamp - (time.time() if recorded is None else recorded)) > CLOCK_SLACK_SECONDS:
        raise ValueError(f"{timestamp} is not the present time in seconds")
    return timestamp


def require_total(total: int, prompt: int, completion: int) -> None:
    """Raises ValueError when token counts do not add up."""
    if total != prompt + completion:
        raise ValueError(f"total_tokens {total} is not {prompt} + {completion}")


def require_part_of(total: int, details: JsonMapping | None, names: Iterable[str]) -> None:
    """Raises ValueError for a detailed count that is no part of its total."""
    for name in names:
        part = (details or {}).get(name)
        if part is not None and not (isinstance(part, int) and 0 <= part <= total):
            raise ValueError(f"{name} is {part!r}, a part of {total} tokens")


def require_equal_sizes(vectors: Iterable[Sequence[float]]) -> None:
    """Raises ValueError for vectors of different sizes."""
    sizes = {len(vector) for vector in vectors}
    if len(sizes) > 1:
        raise ValueError(f"vectors of different sizes: {sorted(sizes)}")


def require_unit_length(vectors: Iterable[Sequence[float]], slack: float) -> None:
    """Raises ValueError for a vector whose length is not 1."""
    for number, vector in enumerate(vectors):
        length = math.hypot(*vector)
        if abs(length - 1) > slack:
            raise ValueError(f"vector {number} has length {length:.4f}, not 1")


def require_unique(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is listed twice."""
    if len(names) != len(set(names)):
        raise ValueError(f"a name is listed twice: {list(names)}")

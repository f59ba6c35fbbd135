"""Contracts: what every response of one kind has to fulfil, whatever the request was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from support.conformance.response_parser import Chunk, ConformanceError, ParsedResponse
from support.units import Json

MAX_ERRORS = 5
CLOCK_SLACK_SECONDS = 300
Text = Annotated[str, Field(min_length=1)]
Byte = Annotated[int, Field(ge=0, le=255)]
LogProbability = Annotated[float, Field(le=0, allow_inf_nan=False)]
# An invariant over all JSON documents of a response: raises ValueError with what was found.
Invariant = Callable[[Sequence[Json]], None]


class StrictModel(BaseModel):
    """Base of the strict models: no conversion; unknown fields are collected and compared with a list."""

    model_config = ConfigDict(strict=True, extra="allow")


@dataclass(frozen=True)
class Contract:
    """The layers of one kind of response; for a stream the types hold for each chunk.

    official: a type of the API's own Python package, or None where it has none that fits.
    model: the suite's stricter one: presence, ranges, units.
    extra_fields_allowed: fields beyond the model, as paths without list indices (`usage.total_time_sec`).
    invariants: conditions across fields and chunks.
    named_events: the name of each event is the `type` of its data.
    """

    name: str
    model: type[StrictModel]
    official: Any = None
    extra_fields_allowed: frozenset[str] = frozenset()
    invariants: tuple[Invariant, ...] = ()
    named_events: bool = False

    def check(self, parsed: ParsedResponse) -> None:
        """Raises `ConformanceError` for the first layer that is wrong."""
        if not parsed.chunks:
            raise ConformanceError("framing", "a response without any JSON document")
        for piece in parsed.chunks:
            self._check_official(piece)
        for piece in parsed.chunks:
            self._check_model(piece)
        if self.named_events:
            self._check_event_names(parsed.chunks)
        for invariant in self.invariants:
            try:
                invariant(parsed.values)
            except ValueError as error:
                raise ConformanceError("invariants", str(error)) from None

    @staticmethod
    def _check_event_names(chunks: Sequence[Chunk]) -> None:
        for piece in chunks:
            kind = piece.value["type"]
            if piece.event_name != kind:
                raise ConformanceError(
                    "framing", f"an event named {piece.event_name!r} whose data is a {kind!r}"
                )

    def _check_official(self, chunk: Chunk) -> None:
        if self.official is None:
            return
        try:
            _adapter(self.official).validate_json(chunk.raw, strict=True)
        except ValidationError as error:
            raise ConformanceError("official type", format_errors(error)) from None

    def _check_model(self, chunk: Chunk) -> None:
        try:
            found = self.model.model_validate(chunk.value)
        except ValidationError as error:
            raise ConformanceError("contract", format_errors(error)) from None
        unknown = sorted(set(unknown_fields(found)) - self.extra_fields_allowed)
        if unknown:
            raise ConformanceError("contract", f"unknown fields: {', '.join(unknown)}")


@cache
def _adapter(official: Any) -> TypeAdapter[Any]:
    # Created once: that takes longer than all the chunks of a stream.
    return TypeAdapter(official)


def format_errors(error: ValidationError) -> str:
    """The first few errors in one line, each with its place."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or '(all)'}: {fault['msg']}"
        for fault in error.errors(include_url=False)[:MAX_ERRORS]
    )


def unknown_fields(model: BaseModel, path: str = "") -> Iterator[str]:
    """Paths of all fields that are not in the models, without list indices."""
    for name in model.model_extra or {}:
        yield f"{path}{name}"
    for name in type(model).model_fields:
        yield from _unknown_fields_below(getattr(model, name), f"{path}{name}.")


def _unknown_fields_below(value: object, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from unknown_fields(value, path)
    elif isinstance(value, list):
        for item in value:
            yield from _unknown_fields_below(item, path)


def is_current_time(timestamp: float) -> bool:
    """Whether these seconds since 1970 are the present time, as far as clocks agree."""
    return abs(timestamp - time.time()) <= CLOCK_SLACK_SECONDS


def require_unique(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is listed twice."""
    if len(names) != len(set(names)):
        raise ValueError(f"a name is listed twice: {list(names)}")


def by_name(*contracts: Contract) -> Mapping[str, Contract]:
    """Contracts by their names."""
    return {contract.name: contract for contract in contracts}

"""What every answer of a kind has to keep, whatever was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from support.conformance.response_parser import Broken, Piece, Reading

MOST_FAULTS = 5
CLOCK_SLACK_SECONDS = 300
Text = Annotated[str, Field(min_length=1)]
Byte = Annotated[int, Field(ge=0, le=255)]
LogProbability = Annotated[float, Field(le=0, allow_inf_nan=False)]
# An invariant over all pieces of an answer: raises ValueError with what was seen.
Invariant = Callable[[Sequence[Any]], None]


class Strict(BaseModel):
    """Base of the own models: no conversion; unknown fields are collected and compared with a list."""

    model_config = ConfigDict(strict=True, extra="allow")


@dataclass(frozen=True)
class Contract:
    """The layers of one kind of answer; for a stream the types hold for each chunk.

    official: a type of the API's own Python package, or None where it has none that fits.
    model: ours, with what that type leaves open (presence, ranges, units).
    tolerated: fields beyond the model that may come, as paths without list indices (`usage.total_time_sec`).
    invariants: what holds across fields and chunks.
    named_events: the name of each event is the `type` that its data has.
    """

    name: str
    model: type[Strict]
    official: Any = None
    tolerated: frozenset[str] = frozenset()
    invariants: tuple[Invariant, ...] = ()
    named_events: bool = False

    def check(self, reading: Reading) -> None:
        """Raises `Broken` with the first layer that is not kept."""
        if not reading.pieces:
            raise Broken("framing", "an answer without any JSON document")
        for piece in reading.pieces:
            self._check_official(piece)
        for piece in reading.pieces:
            self._check_own(piece)
        if self.named_events:
            self._check_names(reading.pieces)
        for invariant in self.invariants:
            try:
                invariant(reading.values)
            except ValueError as error:
                raise Broken("invariants", str(error)) from None

    @staticmethod
    def _check_names(pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            kind = piece.value["type"]
            if piece.name != kind:
                raise Broken("framing", f"an event named {piece.name!r} whose data is a {kind!r}")

    def _check_official(self, piece: Piece) -> None:
        if self.official is None:
            return
        try:
            _adapter(self.official).validate_json(piece.raw, strict=True)
        except ValidationError as error:
            raise Broken("official type", faults(error)) from None

    def _check_own(self, piece: Piece) -> None:
        try:
            found = self.model.model_validate(piece.value)
        except ValidationError as error:
            raise Broken("contract", faults(error)) from None
        unknown = sorted(set(extras(found)) - self.tolerated)
        if unknown:
            raise Broken("contract", f"fields that nobody agreed on: {', '.join(unknown)}")


@cache
def _adapter(official: Any) -> TypeAdapter[Any]:
    # Made once: that takes longer than all the chunks of a stream.
    return TypeAdapter(official)


def faults(error: ValidationError) -> str:
    """The first few faults in one line, each with its place."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or '(all)'}: {fault['msg']}"
        for fault in error.errors(include_url=False)[:MOST_FAULTS]
    )


def extras(model: BaseModel, path: str = "") -> Iterator[str]:
    """Paths of all fields that the models do not know, list indices left out."""
    for name in model.model_extra or {}:
        yield f"{path}{name}"
    for name in type(model).model_fields:
        yield from _extras_below(getattr(model, name), f"{path}{name}.")


def _extras_below(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from extras(value, path)
    elif isinstance(value, list):
        for item in value:
            yield from _extras_below(item, path)


def is_present(moment: float) -> bool:
    """Whether these seconds since 1970 are the present time, as far as clocks agree."""
    return abs(moment - time.time()) <= CLOCK_SLACK_SECONDS


def require_different(names: Sequence[str]) -> None:
    """Raises ValueError when a list of names has one twice."""
    if len(names) != len(set(names)):
        raise ValueError(f"a name is listed twice: {list(names)}")


def by_name(*contracts: Contract) -> Mapping[str, Contract]:
    """Contracts by their names."""
    return {contract.name: contract for contract in contracts}

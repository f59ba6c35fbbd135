"""Matchers: conditions on one value of a response."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from support.units import Json


class Matchers(BaseModel):
    """One or more conditions on one value; all must hold.

    `absent`: nothing is there, or null. `counts`: how often, from and to, each regular expression is found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    is_: Json = Field(None, alias="is")
    not_: Json = Field(None, alias="not")
    one_of: list[Json] | None = None
    matches: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    length: int | None = Field(None, ge=0)
    absent: bool | None = None
    contains: Json = None
    counts: dict[str, tuple[int, int]] | None = None

    @field_validator("matches", "counts")
    @classmethod
    def _check_regexes(cls, wanted: Json) -> Json:
        for pattern in [wanted] if isinstance(wanted, str) else wanted or ():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"no regular expression: {error}") from None
        return wanted

    @property
    def conditions(self) -> set[str]:
        """The conditions that this row has."""
        return self.model_fields_set - {"path"}

    @model_validator(mode="after")
    def _check_not_empty(self) -> Matchers:
        if not self.conditions:
            raise ValueError("an expectation needs a matcher (is, not, one_of, matches, at_least, ...)")
        return self

    def __str__(self) -> str:
        """`is 'x' and at_most 3`."""
        return " and ".join(f"{name.rstrip('_')} {getattr(self, name)!r}" for name in sorted(self.conditions))

    def mismatch(self, value: object) -> str | None:
        """What is wrong with this value, or None."""
        for name in sorted(self.conditions):
            wanted = getattr(self, name)
            if not _PREDICATES[name](value, wanted):
                return f"expected {name.rstrip('_')} {wanted!r}, got {_describe_actual(name, value, wanted)}"
        return None


class Expectation(Matchers):
    """A condition on what a JMESPath expression finds in the response."""

    path: str

    @field_validator("path")
    @classmethod
    def _check_jmespath(cls, path: str) -> str:
        try:
            jmespath.compile(path)
        except JMESPathError as error:
            raise ValueError(f"no JMESPath expression: {path!r}: {str(error).splitlines()[0]}") from None
        return path

    def __str__(self) -> str:
        """`choices[0].text is 'x'`."""
        return f"{self.path} {Matchers.__str__(self)}"

    def check(self, document: object) -> str | None:
        """What is wrong with this document, or None."""
        try:
            value = jmespath.search(self.path, document)
        except (JMESPathError, TypeError) as error:
            # A comparison of a text with a number is a TypeError.
            return (
                f"{self.path}: expected {Matchers.__str__(self)}, got no value: {str(error).splitlines()[0]}"
            )
        fault = self.mismatch(value)
        return None if fault is None else f"{self.path}: {fault}"


def json_equal(one: object, other: object) -> bool:
    """Equal as JSON: true is not 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(json_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(json_equal(one[key], other[key]) for key in one)
    return bool(one == other)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_length(value: object) -> bool:
    return isinstance(value, str | list | dict)


def _contains(value: object, wanted: object) -> bool:
    if isinstance(value, str):
        return isinstance(wanted, str) and wanted.lower() in value.lower()
    return isinstance(value, list | dict) and any(json_equal(item, wanted) for item in value)


def _counts_in_range(value: object, wanted: dict[str, tuple[int, int]]) -> bool:
    found = _count_matches(value, wanted) if isinstance(value, str) else {}
    return bool(found) and all(least <= found[pattern] <= most for pattern, (least, most) in wanted.items())


def _count_matches(text: str, patterns: Iterable[str]) -> dict[str, int]:
    return {pattern: len(re.findall(pattern, text)) for pattern in patterns}


def _describe_actual(name: str, value: Json, wanted: Json) -> str:
    if name == "counts" and isinstance(value, str):
        return f"{_count_matches(value, wanted)!r} in {value!r:.300}"
    return f"{value!r:.300}"


_PREDICATES: dict[str, Callable[[Json, Json], bool]] = {
    "is_": json_equal,
    "not_": lambda value, wanted: not json_equal(value, wanted),
    "one_of": lambda value, wanted: any(json_equal(value, item) for item in wanted),
    "matches": lambda value, wanted: isinstance(value, str) and bool(re.search(wanted, value)),
    "at_least": lambda value, wanted: _is_number(value) and value >= wanted,
    "at_most": lambda value, wanted: _is_number(value) and value <= wanted,
    "length": lambda value, wanted: _has_length(value) and len(value) == wanted,
    "absent": lambda value, wanted: (value is None) is wanted,
    "contains": _contains,
    "counts": _counts_in_range,
}

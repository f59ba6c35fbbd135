"""JSON bodies read strictly: types of fields, null, missing fields.

By hand instead of with pydantic, whose import takes a third of the time in which the server starts.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

# A JSON document or a part of one (RFC 8259): it is read member by member, so it is Any.
Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Json]
JsonMapping: TypeAlias = Mapping[str, Json]

Reader = Callable[[Json, str], Json]
"""From a value and the path of its field to the value; raises `FieldError`."""
# The limit of many JSON parsers; Python's own depends on its version.
_MAX_DEPTH = 200


class JsonError(Exception):
    """The body is not JSON."""


class FieldError(Exception):
    """A field is missing or has a wrong type; `field` is its path, empty for the body itself."""

    def __init__(self, field: str, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.field = field
        self.missing = missing


def parse_json(raw: bytes) -> Json:
    """The value of a body. Raises `JsonError`, also for NaN, huge numbers, lone surrogates, deep nesting."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        _check_value(value, _MAX_DEPTH)
    except RecursionError:
        raise JsonError("recursion limit exceeded") from None
    except UnicodeEncodeError:
        raise JsonError("lone surrogate in a string") from None
    except ValueError as error:
        raise JsonError(str(error)) from None
    return value


class _RepeatedFields(dict[str, Json]):
    """An object in which these fields are there twice; it has the last value of each."""

    def __init__(self, pairs: list[tuple[str, Json]]) -> None:
        super().__init__(pairs)
        names = Counter(name for name, _ in pairs)
        self.repeated = [name for name, count in names.items() if count > 1]


def _object(pairs: list[tuple[str, Json]]) -> JsonObject:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _RepeatedFields(pairs)


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON value")


def _finite(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError("number out of range")
    return value


def _check_value(value: object, depth: int) -> None:
    """Raises RecursionError below this depth, UnicodeEncodeError for a text that is not valid Unicode."""
    if isinstance(value, str):
        if not value.isascii():
            value.encode()
    elif isinstance(value, dict | list):
        if depth == 0:
            raise RecursionError
        for item in value:
            _check_value(item, depth - 1)
        if isinstance(value, dict):
            for item in value.values():
                _check_value(item, depth - 1)


def _typed(kind: type, description: str) -> Reader:
    def read(value: object, field: str) -> Json:
        # bool is an int in Python, not in JSON.
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise FieldError(field, f"Input should be a valid {description}")
        return value

    return read


text = _typed(str, "string")
flag = _typed(bool, "boolean")
table = _typed(dict, "dictionary")
_integer = _typed(int, "integer")
_list = _typed(list, "list")


def anything(value: object, _: str) -> Json:
    """Any JSON value."""
    return value


def number(value: object, field: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(field, "Input should be a valid number")
    try:
        finite = float(value)
    except OverflowError:
        finite = math.inf
    if not math.isfinite(finite):
        raise FieldError(field, "Input should be a finite number")
    return finite


def unsigned(bits: int) -> Reader:
    """A whole number of this size, not negative."""

    def read(value: object, field: str) -> int:
        whole: int = _integer(value, field)
        if whole < 0:
            raise FieldError(field, "Input should be greater than or equal to 0")
        if whole >= 2**bits:
            raise FieldError(field, f"Input should be less than {2**bits}")
        return whole

    return read


def one_of(*values: str) -> Reader:
    """One of these texts."""
    expected = f"{', '.join(map(repr, values[:-1]))} or {values[-1]!r}"

    def read(value: object, field: str) -> Json:
        if value not in values:
            raise FieldError(field, f"Input should be {expected}")
        return value

    return read


def optional(reader: Reader) -> Reader:
    """The same, or null."""
    return lambda value, field: None if value is None else reader(value, field)


def list_of(reader: Reader) -> Reader:
    """A list of such values."""

    def read(value: object, field: str) -> list[Json]:
        return [reader(item, f"{field}.{at}") for at, item in enumerate(_list(value, field))]

    return read


def table_of(reader: Reader) -> Reader:
    """An object with such values under any names."""

    def read(value: object, field: str) -> JsonObject:
        return {name: reader(item, f"{field}.{name}") for name, item in table(value, field).items()}

    return read


def text_or(reader: Reader) -> Reader:
    """A text, or a list that the reader takes."""

    def read(value: object, field: str) -> Json:
        return reader(value, field) if isinstance(value, list) else text(value, field)

    return read


def object_of(readers: Mapping[str, Reader], required: Collection[str] = ()) -> Reader:
    """An object with these fields, once each: absent ones are None unless required, others are ignored."""

    def read(value: object, field: str) -> JsonObject:
        if not isinstance(value, dict):
            raise FieldError(field, "Input should be an object")
        prefix = f"{field}." if field else ""
        for name in value.repeated if isinstance(value, _RepeatedFields) else ():
            if name in readers:
                raise FieldError(prefix + name, f"duplicate field `{name}`")
        fields = dict.fromkeys(readers)
        for name, reader in readers.items():
            if name in value:
                fields[name] = reader(value[name], prefix + name)
            elif name in required:
                raise FieldError(prefix + name, "Field required", missing=True)
        return fields

    return read

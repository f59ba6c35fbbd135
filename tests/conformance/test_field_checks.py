"""Each field of a contract has a check, or a written reason why nothing compares it (field_checks.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast, get_args

import pytest

from support.conformance import contract, tool_calls
from support.conformance.api import API_NAMES, find_api
from support.conformance.case_table import all_checks
from support.conformance.contract import StrictModel
from support.conformance.request_fields import ECHOED

TABLE: Mapping[str, Mapping[str, str]] = tomllib.loads(
    Path(__file__).with_name("field_checks.toml").read_text(encoding="utf-8")
)
# Where one type has the fields of another one: the path begins with the first, the entry with the second.
ALIASES = {
    "responses": {"response.": "", "item.": "output.", "part.": "output.content."},
    "anthropic": {"message.": "", "content_block.": "content."},
}
MIN_REASON = 15


def models_in(annotation: object) -> list[type[StrictModel]]:
    """The models in the type of a field: in a list, in a union, or itself."""
    found = [model for part in get_args(annotation) for model in models_in(part)]
    is_model = isinstance(annotation, type) and issubclass(annotation, StrictModel)
    return [*found, cast(type[StrictModel], annotation)] if is_model else found


def fields_of(model: type[StrictModel], path: str = "") -> Iterator[tuple[str, str]]:
    """Each field of a model, and of those in it: its path, and its type as text."""
    for name, field in model.model_fields.items():
        yield f"{path}{name}", f"{field.annotation} {field.metadata}"
        for inner in models_in(field.annotation):
            yield from fields_of(inner, f"{path}{name}.")


def fields_of_api(api: str, *, named: Callable[[str], bool] = lambda _: True) -> dict[str, str]:
    """The fields of the contracts with such names; the types of those that no model has are empty."""
    found: dict[str, str] = {}
    for name, rules in find_api(api).contracts.items():
        if named(name):
            found |= dict.fromkeys(rules.extra_fields_allowed - found.keys(), "")
            found |= dict(fields_of(rules.model))
    return found


def entry_of(table: Mapping[str, str], api: str, path: str) -> str | None:
    """The key of the entry that covers a field: its own, that of the type with its fields, or one above.

    An entry covers what is below it only if nothing below it has an entry of its own.
    """
    aliases = ALIASES.get(api, {}).items()
    paths = [path, *(new + path.removeprefix(old) for old, new in aliases if path.startswith(old))]
    for wanted in paths:
        if wanted in table:
            return wanted
    for wanted in reversed(paths):
        while wanted := wanted.rpartition(".")[0]:
            if wanted in table:
                partly = any(key.startswith(f"{wanted}.") for key in table)
                return None if partly else wanted
    return None


def tables() -> Iterator[tuple[str, Mapping[str, str], dict[str, str]]]:
    """The name of each table, the table, and the fields that it has to cover."""
    for api in API_NAMES:
        fields = fields_of_api(api, named=lambda name: not name.startswith("OpenAI "))
        if api == "openai":
            fields |= fields_of_api(
                "ollama", named=lambda name: name.startswith("OpenAI ") and name != "OpenAI model"
            )
        yield api, TABLE[api], fields


def test_each_field_has_a_check_or_a_reason() -> None:
    for api, table, fields in tables():
        used = {path: entry_of(table, api, path) for path in fields}
        assert not [path for path, entry in used.items() if entry is None], api
    assert set(TABLE) == set(API_NAMES)


def test_each_entry_covers_a_field() -> None:
    for api, table, fields in tables():
        used = {entry_of(table, api, path) for path in fields}
        others = {entry_of(table, api, path) for path in fields_of_api(api)}
        assert not set(table) - used - others, api


@pytest.mark.parametrize(
    ("api", "path", "entry"), [(api, path, entry) for api in API_NAMES for path, entry in TABLE[api].items()]
)
def test_each_entry_is_true(api: str, path: str, entry: str) -> None:
    module = import_module(f"support.conformance.oracles.{api}")
    fields = next(fields for name, _, fields in tables() if name == api) | fields_of_api(api)
    parts = entry.split("; ", 1) if entry.startswith("type; not compared: ") else [entry]
    parts = parts if "not compared: " in entry else entry.split("; ")
    for part in parts:
        kind, _, names = part.partition(": ")
        if kind == "not compared":
            assert len(names) >= MIN_REASON
        elif kind == "type":
            assert is_narrow(fields[path]), f"{path} may have any value: {fields[path]}"
        elif kind == "request":
            assert path in {"model", *ECHOED}
        elif kind == "rule":
            for name in names.split(", "):
                assert any(hasattr(place, name) for place in (module, contract, tool_calls)), name
                rule = getattr(module, name, None)
                assert not isinstance(rule, type) or has_rule(rule), name
        else:
            assert kind == "case", part
            assert not [name for name in names.split(", ") if name not in all_checks()]


def is_narrow(type_of_field: str) -> bool:
    """Whether it is a constant, or has a constraint: a range, a pattern, a function."""
    constraints = ("Literal[", "Ge(", "Gt(", "Le(", "MinLen(", "pattern", "AfterValidator", "StrictModel")
    constant = type_of_field.startswith(("None ", "<class 'NoneType'>"))
    return (
        constant
        or any(word in type_of_field for word in constraints)
        or "support.conformance" in type_of_field
    )


def has_rule(model: type) -> bool:
    """Whether the class compares its fields."""
    return "require_consistent" in vars(model) or "fields_of_type" in vars(model)

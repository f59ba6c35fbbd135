"""The tables of cases: one file for each topic under `cases/<api>/`, one row for each behaviour."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from support.conformance.matchers import Expectation, Matchers
from support.conformance.request_builder import RequestSpec, deep_merge
from support.errors import AcceptanceError

FOLDER = Path(__file__).with_name("cases")
Kind = Literal["json", "sse", "ndjson", "text", "empty", "any"]


# What can be compared between two answers, whatever their form; the keys of a view.
NormalizedField = Literal[
    "text",
    "texts",
    "thinking",
    "finish_reason",
    "finish_reasons",
    "usage",
    "tool_calls",
    "call_ids",
    "id",
    "embeddings",
    "first_vector",
]


class CaseError(AcceptanceError):
    """A table of cases is wrong. One line: the file, the case, the field, what to do."""


class Repetition(BaseModel):
    """The same request once more with other fields (tables are joined): what must be the same, or differ.

    `same` and `differs` are names of the view of an answer (`support.conformance.api.View`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    change: dict[str, Any] = {}
    same: list[NormalizedField] = []
    differs: list[NormalizedField] = []

    @model_validator(mode="after")
    def _check_not_empty(self) -> Repetition:
        if not self.same and not self.differs:
            raise ValueError("name what has to be the same, or has to differ")
        return self


class Case(BaseModel):
    """One behaviour of an API.

    `contract` names what every such answer keeps; `expect` adds what this one has to be. `after`: what must
    work afterwards; a refusal (status 400 and above) is always followed by a good request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    api: str
    title: str
    request: RequestSpec
    status: list[int]
    kind: Kind = "json"
    contract: list[str] = []
    expect: list[Expectation] = []
    headers: dict[str, Matchers] = {}
    again: Repetition | None = None
    after: Literal["a good request"] | None = None
    alone: bool = Field(False, description="it may hurt its server, so it gets one of its own")
    model: str = Field("speaking", description="which of the suite's models the server has to serve")
    source: str = Field(min_length=3)

    @field_validator("status", "contract", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return value if isinstance(value, list) else [value]

    @field_validator("headers", mode="before")
    @classmethod
    def _headers_as_matchers(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name.lower(): {"is": wanted} if isinstance(wanted, str) else wanted
            for name, wanted in value.items()
        }

    @model_validator(mode="after")
    def _check_consistent(self) -> Case:
        if not self.status or not all(100 <= status <= 599 for status in self.status):
            raise ValueError("status is a number, or a list of numbers, from 100 to 599")
        if self.kind in ("any", "empty") and (self.expect or self.contract):
            raise ValueError(f"an answer of kind {self.kind!r} has nothing to expect or to keep")
        if self.again is not None and self.request.json_ is None:
            raise ValueError("`again` changes fields of `json`: the request has none")
        return self

    @property
    def route(self) -> str:
        """`POST /v1/chat/completions`."""
        return f"{self.request.method} {self.request.path.partition('?')[0]}"

    @property
    def expects_error(self) -> bool:
        """Whether the request is one to be refused."""
        return min(self.status) >= 400

    @property
    def rechecks_health(self) -> bool:
        return self.expects_error or self.after is not None


def read_table(api: str, file: Path) -> dict[str, Case]:
    """The cases of one file by title; raises `CaseError`.

    A table `[defaults]` at its top holds what its rows share; a row's own fields win, tables are joined.
    """
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CaseError(f"{file.name}: cannot be read as a table of cases: {error}") from None
    defaults = rows.pop("defaults", {})
    return {title: _parse_case(api, file, title, row, defaults) for title, row in rows.items()}


def _merge_defaults(defaults: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    request, shared = row.get("request"), defaults.get("request", {})
    if isinstance(request, Mapping) and {"body", "body_hex", "make"} & set(request):
        # A body of another kind stands instead of the shared one.
        defaults = {**defaults, "request": {name: shared[name] for name in shared if name != "json"}}
    return deep_merge(defaults, row)


def _parse_case(api: str, file: Path, title: str, row: Any, defaults: Mapping[str, Any]) -> Case:
    where = f"{file.name}: case {title!r}"
    if not isinstance(row, Mapping):
        raise CaseError(f'{where}: a case is a table, written as ["{title}"]')
    try:
        return Case.model_validate({"api": api, "title": title, **_merge_defaults(defaults, row)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise CaseError(f"{where}: {f'{field}: ' if field else ''}{reason}") from None


@cache
def cases_of(api: str) -> Mapping[str, Case]:
    """Every case of an API by title; raises `CaseError`, also for a title that stands twice."""
    found: dict[str, Case] = {}
    for file in sorted((FOLDER / api).glob("*.toml")):
        for title, case in read_table(api, file).items():
            if title in found:
                raise CaseError(f"{file.name}: case {title!r}: another table has this title; give it another")
            found[title] = case
    return found


def get_case(api: str, title: str) -> Case:
    """The case of this title; raises `CaseError` when there is none."""
    case = cases_of(api).get(title)
    if case is None:
        raise CaseError(f"no table under support/conformance/cases/{api} has the case {title!r}")
    return case

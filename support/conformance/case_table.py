"""The tables of checks: one file for each topic under `cases/<api>/`, one row for each behaviour.

`sequences/<api>.toml` has the checks that take several requests. The key of a row is the id of its check:
`<api>.<route or topic>.<aspect>[.<detail>]`. Ids are stable: reports, `known_issues.toml` and
`acceptance run --case` name a check by its id.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from support.conformance.api import API_NAMES
from support.conformance.matchers import Expectation, Matchers
from support.conformance.request_builder import RequestSpec, deep_merge
from support.errors import AcceptanceError, SettingsError
from support.models.roles import SCRIPTED
from support.name_registry import unknown
from support.results.check import Level
from support.results.severity import Severity
from support.units import JsonMapping, JsonObject

CASE_FOLDER = Path(__file__).with_name("cases")
SEQUENCE_FOLDER = CASE_FOLDER.with_name("sequences")
Kind = Literal["json", "sse", "ndjson", "text", "empty", "any"]
C = TypeVar("C", bound="Check")

# What a table may write shorter: one value of a list, and the value that is expected of a header.
ONE_OR_MORE = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
TEXT_OR_MATCHERS = BeforeValidator(lambda value: {"is": value} if isinstance(value, str) else value)
HeaderName = Annotated[str, StringConstraints(to_lower=True)]

# What can be compared between two answers, streamed or not; the keys of a normalized answer.
NormalizedField = Literal[
    "text",
    "texts",
    "thinking",
    "finish_reason",
    "finish_reasons",
    "usage",
    "tool_calls",
    "call_ids",
    "calls_with_id",
    "id",
    "embeddings",
    "first_vector",
    "last_vector",
]


class CaseError(AcceptanceError):
    """A table of cases is wrong, or has no such case. One line: the file, the case, the field, what to do."""


class Repetition(BaseModel):
    """The same request once more with other fields (tables are merged): what must be the same, or differ.

    `same` and `differs` are keys of a normalized answer (`support.conformance.api.NormalizedAnswer`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    change: JsonObject = {}
    same: list[NormalizedField] = []
    differs: list[NormalizedField] = []

    @model_validator(mode="after")
    def _check_not_empty(self) -> Repetition:
        if not self.same and not self.differs:
            raise ValueError("give `same` or `differs`: fields that must be equal, or must differ")
        return self


class Check(BaseModel):
    """A case or a sequence: what a report shows of it. A sequence has no more than this and its function."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+){2,4}$")
    title: str = Field(min_length=3)
    group: str = Field(min_length=3, description="the scenario that runs it, by its step")
    level: Level
    source: str = Field(min_length=3)
    severity: Severity | None = Field(None, description="none: that of the scenario that runs it")
    model: str = Field(SCRIPTED, description="which of the suite's models the server has to serve")
    needs_route: str = Field(
        "", description="what a sequence cannot run without: `POST /api/copy`, `keep_alive 0`"
    )

    @property
    def api(self) -> str:
        return self.id.partition(".")[0]

    @property
    def expected(self) -> str:
        """What is required; the failure of a sequence itself names the value that was expected."""
        return self.title


class Case(Check):
    """One behaviour of an API.

    `contract` names the contracts that the response keeps; `expect` adds conditions of this case. `recheck`:
    the health case of the API must still pass afterwards; after a rejected request (status 400 and above) it
    is always run. `status_with_key`: the request does not have the right API key, so a server that has one
    rejects it with this status.
    """

    request: RequestSpec
    status: Annotated[list[int], ONE_OR_MORE]
    status_with_key: Annotated[list[int], ONE_OR_MORE] = []
    kind: Kind = "json"
    contract: Annotated[list[str], ONE_OR_MORE] = []
    expect: list[Expectation] = []
    headers: dict[HeaderName, Annotated[Matchers, TEXT_OR_MATCHERS]] = {}
    repetition: Repetition | None = None
    recheck: bool = False
    destructive: bool = Field(False, description="it may damage its server, which is used for nothing else")

    @model_validator(mode="after")
    def _check_consistent(self) -> Case:
        if not self.status or not all(
            100 <= status <= 599 for status in (*self.status, *self.status_with_key)
        ):
            raise ValueError("status is a number, or a list of numbers, from 100 to 599")
        if self.kind in ("any", "empty") and (self.expect or self.contract):
            raise ValueError(f"a response of kind {self.kind!r} has nothing to expect and no contract")
        if self.repetition is not None and self.request.json_ is None:
            raise ValueError("`repetition` changes fields of `json`: the request has none")
        return self

    def for_key(self, key: str | None) -> Case:
        """The case on a server with this API key."""
        if key is None or not self.status_with_key:
            return self
        # A proxy in front of the server may reject it, in a form of its own.
        rejected = {
            "status": self.status_with_key,
            "kind": "any",
            "contract": [],
            "expect": [],
            "headers": {},
        }
        return self.model_copy(update={**rejected, "repetition": None})

    @property
    def route(self) -> str:
        """`POST /v1/chat/completions`."""
        return f"{self.request.method} {self.request.path.partition('?')[0]}"

    @property
    def expects_error(self) -> bool:
        """Whether the request has to be rejected."""
        return min(self.status) >= 400

    @property
    def rechecks_health(self) -> bool:
        return self.expects_error or self.recheck

    @property
    def expected(self) -> str:
        """What the response has to be, for a report: `status 200, contract chat; text is 'x'`."""
        parts = [f"status {' or '.join(map(str, self.status))}"]
        parts += [f"contract {' and '.join(self.contract)}"] if self.contract else []
        conditions = [
            *(f"header {name} {matchers}" for name, matchers in self.headers.items()),
            *(str(expectation) for expectation in self.expect),
        ]
        return "; ".join([", ".join(parts), *conditions])


def read_table(api: str, file: Path, kind: type[C]) -> dict[str, C]:
    """The checks of one file by id; raises `CaseError`.

    A table `[defaults]` at its top holds what its rows share; a row's own fields win, tables are merged.
    """
    rows = _read_rows(file)
    defaults = rows.pop("defaults", {})
    found = {}
    for name, row in rows.items():
        where = f"{file.name}: case {name!r}"
        if not isinstance(row, Mapping):
            raise CaseError(f'{where}: a case is a table, written as ["{name}"]')
        if not name.startswith(f"{api}."):
            raise CaseError(f"{where}: the id of a case of this API begins with `{api}.`")
        try:
            found[name] = kind.model_validate({"id": name, **_merge_defaults(defaults, row)})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            reason = str(first["msg"]).removeprefix("Value error, ")
            raise CaseError(f"{where}: {f'{field}: ' if field else ''}{reason}") from None
    return found


def _read_rows(file: Path) -> JsonObject:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CaseError(f"{file.name}: cannot be read as a table of cases: {error}") from None


def _merge_defaults(defaults: JsonMapping, row: JsonMapping) -> JsonObject:
    request, shared = row.get("request"), defaults.get("request", {})
    if isinstance(request, Mapping) and {"body", "body_hex"} & set(request):
        # A body of another kind replaces the shared one.
        defaults = {**defaults, "request": {name: shared[name] for name in shared if name != "json"}}
    return deep_merge(defaults, row)


def _tables(api: str) -> list[tuple[Path, type[Check]]]:
    """The tables of an API, those of its sequences last; each with the type of its rows."""
    return [
        *((file, Case) for file in sorted((CASE_FOLDER / api).glob("*.toml"))),
        *((file, Check) for file in SEQUENCE_FOLDER.glob(f"{api}.toml")),
    ]


@cache
def checks_of(api: str) -> Mapping[str, Check]:
    """Every case and sequence of an API by id; raises `CaseError`, also for an id or title used twice."""
    found: dict[str, Check] = {}
    titles: dict[str, str] = {}
    for file, kind in _tables(api):
        for name, check in read_table(api, file, kind).items():
            where = f"{file.name}: case {name!r}"
            if name in found:
                raise CaseError(f"{where}: another table has this id; choose another one")
            same = titles.setdefault(check.title, name)
            if same != name:
                raise CaseError(f"{where}: {same!r} has the same title; choose another one")
            found[name] = check
    return found


def cases_of(api: str) -> Mapping[str, Case]:
    """Every case of an API by id; raises `CaseError`."""
    return {name: check for name, check in checks_of(api).items() if isinstance(check, Case)}


@cache
def all_checks() -> Mapping[str, Check]:
    return {name: check for api in API_NAMES for name, check in checks_of(api).items()}


@cache
def check_ids() -> frozenset[str]:
    """The ids of all checks, not validated: less than half of the time that `all_checks` takes."""
    rows = (name for api in API_NAMES for file, _ in _tables(api) for name in _read_rows(file))
    return frozenset(rows) - {"defaults"}


def require_checks(names: Sequence[str], where: str) -> None:
    """Raises `SettingsError` for an id that no check has; `where`: what has named them."""
    for name in names:
        if name not in all_checks():
            missing = unknown("case", name, all_checks())
            raise SettingsError(f"{where}: {missing}; `acceptance run --list` lists all cases")


def groups_of(api: str) -> Mapping[str, Sequence[Check]]:
    """The checks of each group of an API, in the order of the tables."""
    found: dict[str, list[Check]] = {}
    for check in checks_of(api).values():
        found.setdefault(check.group, []).append(check)
    return found


def group(api: str, name: str) -> Sequence[Check]:
    """The checks of a group; raises `CaseError` when there is none."""
    groups = groups_of(api)
    if name not in groups:
        raise CaseError(unknown(f"group of the API {api!r}", name, groups))
    return groups[name]


def get_case(api: str, name: str) -> Case:
    """The case with this id; raises `CaseError` when there is none."""
    case = checks_of(api).get(name)
    if not isinstance(case, Case):
        raise CaseError(f"support/conformance/cases/{api}: {unknown('case', name, cases_of(api))}")
    return case

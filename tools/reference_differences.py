"""In what the responses of the reference server differ from those of a real one, case by case.

The form of a response is compared: status, media type, and the paths of all values with their types, of a
stream over all of its events. Texts and numbers may differ. `tests/conformance/reference_differences.toml`
has the differences that are those of the versions, each with its reason.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from support.conformance.api import find_api
from support.conformance.case_runner import Outcome, run_case
from support.conformance.case_table import Case, checks_of, get_case
from support.errors import NotSupported
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.servers.endpoints import NATIVE_APIS, Endpoint
from support.suite import RunContext
from support.units import Json
from support.waiting import WaitTimeout, wait_until
from tools.measured_targets import suites

EXPLAINED = Path(__file__).resolve().parents[1] / "tests" / "conformance" / "reference_differences.toml"
STREAM = "text/event-stream"
# The types of JSON; one without a fraction is a number as well.
TYPES = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
# Sent once more to a healthy server: 0.8.1 answers so while it replaces an engine that has panicked.
SERVER_ERROR, RECOVERY_SECONDS = 500, 10.0


@dataclass(frozen=True)
class Form:
    """`paths`: such as `choices[].message.content string`."""

    status: int
    media_type: str
    paths: frozenset[str]


@dataclass(frozen=True)
class Explanation:
    """`checks`, `differences`: patterns of all of an id, and of a line; `versions`: of the real server."""

    checks: str
    differences: str
    versions: str
    reason: str

    def fits(self, check: str, difference: str) -> bool:
        return bool(re.fullmatch(self.checks, check) and re.fullmatch(self.differences, difference))


def form_of(exchange: Exchange) -> Form:
    """Of a response; a body that is no JSON is one text."""
    paths: set[str] = set()
    for document in _documents(exchange):
        paths.update(_paths(document))
    return Form(exchange.status, exchange.content_type, frozenset(paths))


def _documents(exchange: Exchange) -> Iterator[Json]:
    if exchange.content_type == STREAM:
        lines = [line[5:].strip() for line in exchange.text.splitlines() if line.startswith("data:")]
    else:
        lines = [exchange.text] if exchange.body else []
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            yield line


def _paths(value: Json, path: str = "") -> Iterator[str]:
    if value == [] or value == {}:
        yield f"{path} empty {'list' if value == [] else 'object'}".strip()
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _paths(part, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for part in value:
            yield from _paths(part, f"{path}[]")
    else:
        yield f"{path} {TYPES[type(value)]}".strip()


def differences(ours: Form, theirs: Form) -> list[str]:
    """One line for each: of the status alone where it differs, since another body follows from it."""
    if ours.status != theirs.status:
        return [f"status {ours.status}, real {theirs.status}"]
    found = []
    if ours.media_type != theirs.media_type:
        found.append(f"media type {ours.media_type or 'none'}, real {theirs.media_type or 'none'}")
    found += [f"only here: {path}" for path in sorted(ours.paths - theirs.paths)]
    found += [f"only real: {path}" for path in sorted(theirs.paths - ours.paths)]
    return found


def forms_of(name: str) -> tuple[str, dict[str, Form]] | None:
    """Version and forms of `reference` or `real`; None when it is not there. For a process of its own."""
    with closing(suites(name)) as found:
        return next(((suite.target.version or "", forms(suite)) for suite in found), None)


def forms(suite: RunContext) -> dict[str, Form]:
    """Of the first response of each case that its server can be sent; a route that it lacks has none."""
    found = {}
    for api in NATIVE_APIS:
        for case in checks_of(api).values():
            if isinstance(case, Case) and not case.destructive and (form := _form(suite, case)):
                found[case.id] = form
    return found


def _form(suite: RunContext, case: Case) -> Form | None:
    try:
        server, _ = suite.endpoint(case.api, case.model)
        if suite.missing_routes.reason_for_route(server.label, case.route):
            return None
        outcome, exchanges = _run(server, case)
        if exchanges and exchanges[0].status >= SERVER_ERROR:
            _wait_until_healthy(server, case)
            outcome, exchanges = _run(server, case)
    except NotSupported:
        return None
    if outcome.missing_route is not None:
        suite.missing_routes.mark_missing(server.label, case)
        return None
    return form_of(exchanges[0]) if exchanges else None


def _wait_until_healthy(server: Endpoint, after: Case) -> None:
    healthy = get_case(after.api, find_api(after.api).health_case_of(after.model))
    # What it answers then is compared, whether it is healthy or not.
    with suppress(WaitTimeout):
        wait_until(f"{healthy.id} passes", lambda: _run(server, healthy)[0].passed, timeout=RECOVERY_SECONDS)


def _run(server: Endpoint, case: Case) -> tuple[Outcome, Sequence[Exchange]]:
    with closing(ApiClient(server.base_url, api_key=server.key)) as client:
        return run_case(client, server, case), tuple(client.exchanges)


def explanations(version: str, file: Path = EXPLAINED) -> list[Explanation]:
    """Those for a real server of this version."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))["difference"]
    found = [Explanation(**entry) for entry in table]
    return [one for one in found if SpecifierSet(one.versions).contains(version, prereleases=True)]


def unexplained(
    ours: Mapping[str, Form], theirs: Mapping[str, Form], explained: Sequence[Explanation]
) -> tuple[list[str], list[Explanation]]:
    """Lines `CASE: DIFFERENCE` without an explanation, and explanations that no difference needs."""
    lines, used = [], set()
    for check in sorted(ours.keys() & theirs.keys()):
        for difference in differences(ours[check], theirs[check]):
            fitting = [one for one in explained if one.fits(check, difference)]
            used.update(fitting)
            if not fitting:
                lines.append(f"{check}: {difference}")
    return lines, [one for one in explained if one not in used]

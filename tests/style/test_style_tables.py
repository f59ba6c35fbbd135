"""Every row of every table is used by a feature, and every name in a feature has its row."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import Any

import pytest

from support.clients import langchain, ollama_cli
from support.clients.task import CLIENTS, task_names
from support.conformance.case_table import cases_of
from support.conformance.registry import APIS
from support.conformance.sequences.ollama import SEQUENCES as OLLAMA_WALKS
from support.conformance.sequences.responses import SEQUENCES as OWN_WALKS
from support.faults import malformed_requests
from support.results.known_issues import KnownIssues
from tests.style.reading import ROOT, SUPPORT, Vocabulary, named

# All tables there are; a new one belongs into a test.
TABLES = {
    "support/models/scripts/control_codes.toml",
    "support/mcp/messages.toml",
    "support/models/scripts/standard.toml",
    "support/models/scripts/tools.toml",
    "support/servers/startup_hints.toml",
    "support/servers/launch_plans.toml",
}
CASES = "support/conformance/cases/"
DEVIATIONS = ROOT / "known_issues.toml"


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def first(values: set[tuple[Any, ...]]) -> set[str]:
    return {str(value[0]) for value in values}


def lowered(values: set[tuple[Any, ...]]) -> set[tuple[str, str]]:
    """API and name, the API as the tables write it."""
    return {(str(api).lower(), str(name)) for api, name in values}


def same(rows: set[Any], used: set[Any]) -> None:
    assert rows == used, (
        f"in the table only: {sorted(rows - used)}; in the features only: {sorted(used - rows)}"
    )


def test_all_tables_are_looked_after() -> None:
    found = {named(file) for file in (ROOT / "support").rglob("*.toml")}
    assert {name for name in found if not name.startswith(CASES)} == TABLES
    assert {name.split("/")[3] for name in found - TABLES} == set(APIS)
    code = "\n".join(file.read_text(encoding="utf-8") for file in SUPPORT)
    assert not [name for name in TABLES if name.rpartition("/")[2].removesuffix(".toml") not in code]


def test_starts_are_used(vocabulary: Vocabulary) -> None:
    starts = table("support/servers/launch_plans.toml")
    assert set(starts) == {"corrupt", "wrong_path"}
    broken = {(format_name, fault) for format_name, faults in starts["corrupt"].items() for fault in faults}
    same(broken, vocabulary.values_of("model_loading.corrupt_model"))
    same(set(starts["wrong_path"]), first(vocabulary.values_of("model_loading.wrong_path")))


@pytest.mark.parametrize("api", APIS)
def test_cases_are_used_once(vocabulary: Vocabulary, api: str) -> None:
    tried = Counter(
        (str(use.values[0]).lower(), str(use.values[1]))
        for use in vocabulary.uses
        if use.definition is not None and use.owner == "openai_api.try_case"
    )
    same(set(cases_of(api)), {title for name, title in tried if name == api})
    assert not [title for (_, title), times in tried.items() if times > 1]


def test_journeys_are_used(vocabulary: Vocabulary) -> None:
    made = {(api, str(name)) for api, name in lowered(vocabulary.values_of("openai_api.official"))}
    same({(api, name) for api in CLIENTS for name in task_names(api)}, made)


def test_walks_are_used(vocabulary: Vocabulary) -> None:
    walks = {"ollama": OLLAMA_WALKS, **OWN_WALKS}
    same(
        {(api, title) for api in walks for title in walks[api]},
        lowered(vocabulary.values_of("ollama_api.go_through")),
    )


def test_tables_of_parity_are_used(vocabulary: Vocabulary) -> None:
    same(
        set(malformed_requests.MISTAKES),
        {values[1] for values in vocabulary.values_of("parity.send_mistake")},
    )
    same(set(ollama_cli.TASKS), first(vocabulary.values_of("parity.type_command")))
    same(set(langchain.TASKS), first(vocabulary.values_of("parity.use_adapter")))
    assert first(vocabulary.values_of("parity.brought")) >= {*ollama_cli.EXPECTED_OUTPUT, langchain.COUNTED}


def test_control_codes_are_said(vocabulary: Vocabulary) -> None:
    rows = table("support/models/scripts/control_codes.toml")["rows"]
    said = " ".join(map(str, first(vocabulary.values_of("terminal_chat.type_line"))))
    assert not [row["marker"] for row in rows if f" {row['marker']} " not in said]


def test_messages_of_agents_are_used(vocabulary: Vocabulary) -> None:
    used = {message for values in vocabulary.values_of("mcp.send") for message in values[0]}
    same(set(table("support/mcp/messages.toml")), used)


def test_remedies_are_readable_and_different() -> None:
    rows = table("support/servers/startup_hints.toml")["remedy"]
    assert all(set(row) == {"pattern", "advice"} and re.compile(row["pattern"]) for row in rows)
    alternatives = [word for row in rows for word in row["pattern"].split("|")]
    assert len(alternatives) == len(set(alternatives))


def test_deviations_name_scenarios_that_exist(vocabulary: Vocabulary) -> None:
    titles = {scenario.name for scenario in vocabulary.scenarios}
    entries = KnownIssues.load(DEVIATIONS).entries
    assert not [entry.scenario for entry in entries if entry.scenario not in titles]
    assert not [entry.scenario for entry in entries if not entry.why.strip() or not entry.source.strip()]

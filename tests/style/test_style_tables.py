"""Every row of every table is used by a feature, and every name in a feature has its row."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from support.target.deviations import Deviations
from tests.style.reading import ROOT, SUPPORT, Vocabulary, named

# All tables there are; a new one belongs into a test.
TABLES = {
    "support/http/mistakes.toml",
    "support/mcp/messages.toml",
    "support/models/scripts/standard.toml",
    "support/models/scripts/tools.toml",
    "support/target/calls.toml",
    "support/target/remedies.toml",
    "support/target/starts.toml",
}
DEVIATIONS = ROOT / "deviations.toml"


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def first(values: set[tuple[Any, ...]]) -> set[str]:
    return {str(value[0]) for value in values}


def same(rows: set[Any], used: set[Any]) -> None:
    assert rows == used, (
        f"in the table only: {sorted(rows - used)}; in the features only: {sorted(used - rows)}"
    )


def test_all_tables_are_looked_after() -> None:
    assert {named(file) for file in (ROOT / "support").rglob("*.toml")} == TABLES
    code = "\n".join(file.read_text(encoding="utf-8") for file in SUPPORT)
    assert not [name for name in TABLES if name.rpartition("/")[2].removesuffix(".toml") not in code]


def test_calls_are_used(vocabulary: Vocabulary) -> None:
    calls = table("support/target/calls.toml")
    assert set(calls) == {"asking", "mistaken"}
    same(set(calls["asking"]), first(vocabulary.values_of("binary_health.ask")))
    same(set(calls["mistaken"]), first(vocabulary.values_of("binary_health.call")))


def test_starts_are_used(vocabulary: Vocabulary) -> None:
    starts = table("support/target/starts.toml")
    assert set(starts) == {"broken", "misplaced"}
    broken = {(format_name, fault) for format_name, faults in starts["broken"].items() for fault in faults}
    same(broken, vocabulary.values_of("model_loading.broken_model"))
    same(set(starts["misplaced"]), first(vocabulary.values_of("model_loading.misplaced_model")))


def test_mistakes_are_used(vocabulary: Vocabulary) -> None:
    same(set(table("support/http/mistakes.toml")), first(vocabulary.values_of("openai_api.send_mistake")))


def test_messages_of_agents_are_used(vocabulary: Vocabulary) -> None:
    # The one that the next agent sends stands in a step.
    used = first(vocabulary.values_of("mcp.send")) | {"a question for the tools"}
    same(set(table("support/mcp/messages.toml")), used)


def test_remedies_are_readable_and_different() -> None:
    rows = table("support/target/remedies.toml")["remedy"]
    assert all(set(row) == {"pattern", "advice"} and re.compile(row["pattern"]) for row in rows)
    alternatives = [word for row in rows for word in row["pattern"].split("|")]
    assert len(alternatives) == len(set(alternatives))


def test_deviations_name_scenarios_that_exist(vocabulary: Vocabulary) -> None:
    titles = {scenario.name for scenario in vocabulary.scenarios}
    entries = Deviations.load(DEVIATIONS).entries
    assert not [entry.scenario for entry in entries if entry.scenario not in titles]
    assert not [entry.scenario for entry in entries if not entry.why.strip() or not entry.source.strip()]

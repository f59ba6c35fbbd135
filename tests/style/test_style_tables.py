"""Every row of every table is used by a feature, and every name in a feature has its row."""

from __future__ import annotations

import re
import tomllib
from collections import Counter, defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from support.clients import langchain, ollama_cli
from support.clients.scenario import CLIENTS, LANGCHAIN, OLLAMA_COMMAND
from support.clients.suites import SUITES
from support.clients.task import CLIENTS as SDKS
from support.clients.task import COUNTED, tasks_of
from support.conformance.api import API_NAMES, find_api
from support.conformance.case_table import Case, all_checks, cases_of, checks_of, groups_of
from support.conformance.contract import extra_fields
from support.conformance.sequence import STEPS
from support.faults import malformed_requests
from support.faults.scenario import CLIENT_ACTIONS
from support.independent.results import NO_FAILURE, SuiteTable
from support.performance.scenario import PROMPTS, USER_OUTCOMES
from support.results.known_issues import LAYERS, KnownIssues
from support.results.severity import Severity, rank, severity_of_tags
from support.results.verdicts import TIME_LIMIT
from support.runner.checks_of_scenarios import require_existing
from support.servers.launch_plans import ONE_PORT
from tests.style.reading import ROOT, SUPPORT, Vocabulary, named, slug

# All tables there are; a new one belongs into a test.
FAULTS = "support/fault_injection/catalogue/"
TABLES = {
    "support/doctor.toml",
    "support/fault_injection/blind_survivors.toml",
    "support/aider/exercises.toml",
    "support/independent/anthropic_tests.toml",
    "support/independent/mcp_conformance.toml",
    "support/independent/ollama_tests.toml",
    "support/independent/openai_tests.toml",
    "support/independent/openresponses_types.toml",
    "support/models/broken.toml",
    "support/models/scripts/control_codes.toml",
    "support/mcp/messages.toml",
    "support/mcp/replies.toml",
    "support/models/scripts/independent.toml",
    "support/models/scripts/standard.toml",
    "support/models/scripts/tools.toml",
    "support/conformance/optional_routes.toml",
    "support/conformance/oracles/extra_fields.toml",
    "support/conformance/sequences/anthropic.toml",
    "support/conformance/sequences/metrics.toml",
    "support/conformance/sequences/monitoring.toml",
    "support/conformance/sequences/exporter.toml",
    "support/conformance/sequences/prometheus.toml",
    "support/conformance/sequences/ollama.toml",
    "support/conformance/sequences/responses.toml",
    "support/monitoring/alert_rules.toml",
    "support/monitoring/dashboard.toml",
    "support/monitoring/metric_table.toml",
    "support/performance/thresholds.toml",
    "support/probe/checks.toml",
    "support/servers/startup_hints.toml",
    "support/servers/capabilities.toml",
    "support/servers/launch_plans.toml",
}
CASES = "support/conformance/cases/"
PROJECTS = "support/aider/projects/"
KNOWN_ISSUES = ROOT / "known_issues.toml"
RENAMED = ROOT / "docs/renamed_checks.tsv"


# A row of the index: the section and its severity.
INDEX = re.compile(r"^\| \[[^\]]+\]\(#([^)]+)\) \| [^|]+ \| (\w+) \|", re.MULTILINE)
RUN_GROUP = re.compile(r'the "(.+)" cases of the (.+) API are run')
# What is only sensible is no more than normal.
AT_MOST: dict[str, Severity] = {"must": "blocker", "should": "normal"}


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


def test_projects_of_aider_are_used(vocabulary: Vocabulary) -> None:
    found = {file.stem for file in (ROOT / PROJECTS).iterdir()}
    same(found, first(vocabulary.values_of("aider.project")))


def test_all_tables_are_looked_after() -> None:
    found = {named(file) for file in (ROOT / "support").rglob("*.toml")}
    projects = {name for name in found if name.startswith(PROJECTS)}
    # Read by the name of their folder.
    found -= projects | {name for name in found if name.startswith(FAULTS)}
    assert {name for name in found if not name.startswith(CASES)} == TABLES
    assert {name.split("/")[3] for name in found - TABLES} == set(API_NAMES)
    code = "\n".join(file.read_text(encoding="utf-8") for file in SUPPORT)
    assert not [name for name in TABLES if name.rpartition("/")[2].removesuffix(".toml") not in code]


def test_starts_are_used(vocabulary: Vocabulary) -> None:
    starts = table("support/servers/launch_plans.toml")
    assert set(starts) == {"corrupt", "wrong_path", "mcp_config"}
    broken = {(format_name, fault) for format_name, faults in starts["corrupt"].items() for fault in faults}
    same(broken, vocabulary.values_of("model_loading.corrupt_model"))
    corruptions = {name for faults in starts["corrupt"].values() for name in faults.values()}
    same(set(table("support/models/broken.toml")), corruptions)
    same(set(starts["wrong_path"]), first(vocabulary.values_of("model_loading.wrong_path")))
    configurations = {*starts["mcp_config"], ONE_PORT}
    same(configurations, first(vocabulary.values_of("mcp.invalid_configuration")))


@pytest.mark.parametrize("api", API_NAMES)
def test_each_group_of_checks_is_run_by_one_scenario(vocabulary: Vocabulary, api: str) -> None:
    run = Counter(
        str(use.values[0])
        for use in vocabulary.uses
        if use.definition is not None
        and use.owner == "conformance.run_group"
        and str(use.values[1]).lower() == api
    )
    same(set(groups_of(api)), set(run))
    assert not [name for name, times in run.items() if times > 1]


@pytest.mark.parametrize("api", API_NAMES)
def test_a_destructive_case_is_the_only_one_of_its_group(api: str) -> None:
    destructive = {case.group for case in cases_of(api).values() if case.destructive}
    assert all(len(groups_of(api)[name]) == 1 for name in destructive)


@pytest.mark.parametrize("api", API_NAMES)
def test_each_sequence_has_a_function_and_a_row(api: str) -> None:
    sequences = {name for name, check in checks_of(api).items() if not isinstance(check, Case)}
    if sequences:
        import_module(f"support.conformance.sequences.{api}")
    same(sequences, {name for name in STEPS if name.startswith(f"{api}.")})


@pytest.mark.parametrize("api", API_NAMES)
def test_titles_of_checks_are_plain(api: str) -> None:
    wrong = [
        check.title
        for check in checks_of(api).values()
        if len(check.title.split()) > 12 or check.title.endswith(".") or '"' in check.title
    ]
    assert not wrong
    assert not [name for name in groups_of(api) if name != name.strip() or '"' in name]


@pytest.mark.parametrize("api", API_NAMES)
def test_extra_fields_are_used(api: str) -> None:
    allowed = {name for kind in find_api(api).contracts.values() for name in kind.extra_fields_allowed}
    assert not [group for group, names in extra_fields(api).items() if not names <= allowed]


def test_journeys_are_used(vocabulary: Vocabulary) -> None:
    made = {(api, str(name)) for api, name in lowered(vocabulary.values_of("openai_api.run_official_client"))}
    same({(api, name) for api in SDKS for name in tasks_of(api)}, made)


def test_tables_of_parity_are_used(vocabulary: Vocabulary) -> None:
    same(
        set(malformed_requests.MISTAKES),
        {values[1] for values in vocabulary.values_of("parity.send_malformed")},
    )
    tasks: dict[str, set[str]] = {OLLAMA_COMMAND: set(ollama_cli.TASKS), LANGCHAIN: set(langchain.TASKS)}
    tasks |= {name: set(SuiteTable.load(suite.name).parts) for name, (suite, _) in SUITES.items()}
    assert tasks.keys() == set(CLIENTS)
    runs = vocabulary.values_of("parity.run_client")
    same({(client, task) for client in tasks for task in tasks[client]}, {values[:2] for values in runs})
    returned = first(vocabulary.values_of("parity.client_returns"))
    assert returned >= {*ollama_cli.EXPECTED_OUTPUT, COUNTED, NO_FAILURE}


def test_names_of_performance_and_faults_are_used(vocabulary: Vocabulary) -> None:
    asked = vocabulary.values_of("parity.ask_concurrently")
    same(set(PROMPTS), {values[2] for values in asked})
    same(set(USER_OUTCOMES), first(vocabulary.values_of("parity.user_outcome")))
    same(set(CLIENT_ACTIONS), {values[1] for values in vocabulary.values_of("parity.client_action")})


def test_control_codes_are_requested() -> None:
    rows = table("support/models/scripts/control_codes.toml")["rows"]
    lines = Path("features/terminal_chat/limits.feature").read_text(encoding="utf-8")
    assert not [row["marker"] for row in rows if f"| Please {row['marker']} it " not in lines]


def test_messages_of_agents_are_used(vocabulary: Vocabulary) -> None:
    used = {message for values in vocabulary.values_of("mcp.send") for message in values[0]}
    same(set(table("support/mcp/messages.toml")), used)
    required = {reply for values in vocabulary.values_of("mcp.replies") for reply in values[0]}
    same(set(table("support/mcp/replies.toml")), required)


def test_remedies_are_readable_and_different() -> None:
    rows = table("support/servers/startup_hints.toml")["remedy"]
    assert all(set(row) == {"pattern", "advice"} and re.compile(row["pattern"]) for row in rows)
    alternatives = [word for row in rows for word in row["pattern"].split("|")]
    assert len(alternatives) == len(set(alternatives))


def test_known_issues_name_what_exists(vocabulary: Vocabulary) -> None:
    issues = KnownIssues.load(KNOWN_ISSUES)
    require_existing(issues, vocabulary.features)
    assert not [entry for entry in issues.entries if not entry.reason.strip() or not entry.source.strip()]


def test_known_issues_fail_in_steps_that_exist(vocabulary: Vocabulary) -> None:
    steps = {
        str(scenario.name): {str(step.name) for step in scenario.all_steps}
        for scenario in vocabulary.scenarios
    }
    listed = [entry for entry in KnownIssues.load(KNOWN_ISSUES).entries if entry.scenario]
    for entry in listed:
        where = {failure.where for failure in entry.failures}
        assert where & (steps[entry.scenario] | {TIME_LIMIT}), entry.scenario
    known = {"after_scenario", TIME_LIMIT}.union(*(steps[entry.scenario] for entry in listed))
    assert not {failure.where for entry in listed for failure in entry.failures} - known


def test_findings_have_the_severity_of_what_fails(vocabulary: Vocabulary) -> None:
    """The column of the index in docs/findings.md: the most severe of what is listed with that section."""
    titles = {str(one.name): severity_of_tags(one.effective_tags) for one in vocabulary.scenarios}
    groups = {
        (found[2].lower(), found[1]): titles[str(scenario.name)]
        for scenario in vocabulary.scenarios
        for step in scenario.all_steps
        if (found := RUN_GROUP.fullmatch(step.name))
    }
    checks: dict[str, Severity] = {}
    for api in API_NAMES:
        for name, check in checks_of(api).items():
            both: list[Severity] = [groups[api, check.group], AT_MOST[check.level]]
            of_group: Severity = max(both, key=rank)
            checks[name] = check.severity or of_group
    failing: dict[str, set[Severity]] = defaultdict(set)
    for entry in KnownIssues.load(KNOWN_ISSUES).entries:
        anchor = entry.source.partition("docs/findings.md#")[2]
        failing[anchor].add(checks[entry.check] if entry.check else titles[entry.scenario])
    page = (ROOT / "docs/findings.md").read_text(encoding="utf-8")
    index = dict(INDEX.findall(page))
    # A section may have an anchor of its own before its heading.
    for own, heading in re.findall(r'<a id="([^"]+)"></a>\n\n## (.+)', page):
        failing[slug(heading)] |= failing.pop(own, set())
    expected = {
        anchor: min(severities, key=rank) for anchor, severities in failing.items() if anchor in index
    }
    assert len(expected) > 30
    assert {anchor: index[anchor] for anchor in expected} == expected


def test_layers_of_failures_are_listed() -> None:
    code = "\n".join(file.read_text(encoding="utf-8") for file in Path(ROOT, "support").rglob("*.py"))
    used = set(re.findall(r'(?:ConformanceError|Failure|_mismatch)\(\s*"([A-Za-z ]+)"', code))
    assert used | {"missing route"} == set(LAYERS)


def test_renamed_checks_exist(vocabulary: Vocabulary) -> None:
    titles = {re.sub(r" -- @[\d.]+.*$", "", str(scenario.name)) for scenario in vocabulary.scenarios}
    known = {f"check:{name}" for name in all_checks()} | {f"scenario:{title}" for title in titles}
    rows = [line.split("\t") for line in RENAMED.read_text(encoding="utf-8").splitlines()]
    assert rows == sorted(rows)
    assert {len(row) for row in rows} == {2}
    assert not [new for _, new in rows if new not in known]

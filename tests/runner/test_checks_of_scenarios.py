"""Which scenario runs which group; ids and titles that do not exist are errors before anything starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from behave.runner_util import collect_feature_locations, parse_features
from packaging.specifiers import SpecifierSet

from support.errors import SettingsError
from support.results.known_issues import KnownIssue, KnownIssues
from support.runner import selection
from support.runner.checks_of_scenarios import (
    CHECK_SECONDS,
    budget_of_scenario,
    checks_without_scenario,
    group_of,
    leave_out_other_groups,
    require_existing,
    require_thresholds,
    titles_of_groups,
)
from support.runner.time_limits import SCENARIO_SECONDS
from support.settings import load_settings

GROUP_TITLE = "Bodies that are not JSON objects are rejected"

ELSEWHERE = next(
    found.name
    for feature in parse_features(collect_feature_locations(["features/mcp"]))
    for found in feature.scenarios
    if found.type == "scenario"
)


def scenario(*steps: str, name: str = "a toy") -> Any:
    found = [SimpleNamespace(name=step) for step in steps]
    return SimpleNamespace(name=name, tags=(), effective_tags=(), all_steps=found)


def feature(*scenarios: Any) -> Any:
    return SimpleNamespace(filename="features/toy.feature", walk_scenarios=lambda: scenarios)


def test_a_scenario_runs_the_group_that_its_step_names() -> None:
    step = 'the "malformed bodies" cases of the OpenAI API are run'
    assert group_of(scenario("something else", step)) == ("openai", "malformed bodies")
    assert group_of(scenario("the answer is served")) is None


def test_every_group_has_a_scenario() -> None:
    assert titles_of_groups()["openai", "malformed bodies"] == GROUP_TITLE


def test_a_group_has_time_for_each_of_its_checks() -> None:
    assert budget_of_scenario(scenario("the answer is served")) is None
    seconds = budget_of_scenario(scenario('the "malformed bodies" cases of the OpenAI API are run'))
    assert seconds is not None and seconds > SCENARIO_SECONDS and seconds % CHECK_SECONDS == 0


def test_a_case_selects_the_scenario_of_its_group() -> None:
    assert selection.case_arguments([]) == []
    words = selection.case_arguments(["openai.chat.body.empty", "openai.chat.body.truncated"])
    assert words[0] == "--define=acceptance_cases=openai.chat.body.empty,openai.chat.body.truncated"
    assert words[1] == "--define=option.acceptance_cases=--case"
    assert [word.replace("\\", "") for word in words[2:]] == [f"--name=^{GROUP_TITLE}$"]
    with pytest.raises(SettingsError, match=r"close matches: openai\.chat\.body\.empty"):
        selection.case_arguments(["openai.chat.body.emptyy"])


def test_a_group_without_a_selected_case_does_not_run() -> None:
    case, left_out = "openai.chat.body.empty", []
    bodies = scenario('the "malformed bodies" cases of the OpenAI API are run')
    other = scenario('the "request ids" cases of the OpenAI API are run')
    other.mark_skipped = lambda: left_out.append(other)
    plain = scenario("the answer is served")
    assert leave_out_other_groups([bodies, other, plain], {case}) == [bodies, plain]
    assert left_out == [other]
    assert leave_out_other_groups([bodies, other, plain], ()) == [bodies, other, plain]
    assert checks_without_scenario([bodies, plain], {case}) == []
    assert checks_without_scenario([other, plain], {case}) == [case]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"check": "openai.chat.body.empty"}, None),
        ({"scenario": "a toy"}, None),
        # It is in a feature that this run does not load.
        ({"scenario": ELSEWHERE}, None),
        ({"check": "openai.chat.body.emptyy"}, "no check 'openai.chat.body.emptyy'; close matches: "),
        ({"scenario": "a missing toy"}, "no scenario 'a missing toy'"),
        ({"scenario": GROUP_TITLE}, "runs a group of checks"),
    ],
    ids=str,
)
def test_known_issues_name_what_exists(entry: dict[str, Any], message: str | None) -> None:
    issues = KnownIssues([KnownIssue("toy", SpecifierSet(""), "it is old", "notes.md", (), **entry)])
    if message is None:
        require_existing(issues, [feature(scenario())])
        return
    with pytest.raises(SettingsError) as caught:
        require_existing(issues, [feature(scenario())])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_without_features_only_the_loaded_ones_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    issues = KnownIssues([KnownIssue("toy", SpecifierSet(""), "old", "notes.md", (), scenario="nothing")])
    with pytest.raises(SettingsError):
        require_existing(issues, [feature(scenario())])


def test_a_profile_of_thresholds_that_there_is_not_is_refused_before_the_run(tmp_path: Path) -> None:
    require_thresholds(load_settings({}).settings)
    require_thresholds(load_settings({"performance_profile": "mlperf-interactive"}).settings)
    for name, value in (("performance_profile", "fast"), ("performance_thresholds", str(tmp_path / "none"))):
        with pytest.raises(SettingsError, match=r"thresholds in "):
            require_thresholds(load_settings({name: value}).settings)

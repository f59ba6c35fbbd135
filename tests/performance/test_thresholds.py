"""Thresholds: the shipped profiles, a file of the user, mistakes in it; pass, fail or not enough evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import NotSupported, SettingsError
from support.performance import thresholds
from support.performance.limits import Bounds, MeanLimit, RatioLimit, Threshold
from support.performance.load_figures import LoadFigures
from support.performance.percentiles import Verdict
from support.performance.thresholds import load_profile
from tests.performance.loads import failed, request, result

FIRST_TOKEN = "time to first token"
EACH_PROFILE = ("several users", "many users")
GOOD = '[mine."short prompts"]\n"time to first token" = { percentile = 90, limit = 200 }\n'


def ratio(fields: str) -> str:
    return f'[mine."short prompts"]\n"tokens per second" = {{ {fields} }}\n'


@pytest.mark.parametrize("name", ["cpu", "gpu", "mlperf-conversational", "mlperf-interactive"])
def test_each_shipped_profile_has_the_levels_of_the_features(name: str) -> None:
    profile = load_profile(name)
    for level in ("short prompts", "long prompts"):
        assert {one.metric for one in profile.level(level)} == {FIRST_TOKEN, "inter-token latency"}
    assert all(profile.level(level) for level in EACH_PROFILE)
    with pytest.raises(SettingsError, match=rf"there is no service level 'quick'.*\(profile {name}\)"):
        profile.level("quick")


@pytest.mark.parametrize("gpu", [1, 0])
def test_auto_is_the_hardware_of_the_machine(monkeypatch: pytest.MonkeyPatch, gpu: int) -> None:
    monkeypatch.setattr(thresholds, "has_gpu", lambda: bool(gpu))
    assert load_profile("auto").name == ("gpu" if gpu else "cpu")


def test_a_file_of_the_user_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "thresholds.toml"
    file.write_text(GOOD)
    profile = load_profile("mine", file)
    assert profile.level("short prompts") == (Threshold(FIRST_TOKEN, 0.9, 200.0),)
    # Of each profile that has none of its own.
    assert profile.level("several users") == load_profile("cpu").level("several users")
    file.write_text(
        '[mine."several users"]\n"tokens per second" = [{ of = "8 users", by = "1 user", at_least = 2 }, '
        '{ at_least = 50 }]\n"time to ready" = { at_most = 500, for_each_mib = 4 }\n'
    )
    assert load_profile("mine", file).level("several users") == (
        RatioLimit("tokens per second", "8 users", "1 user", Bounds(least=2.0)),
        MeanLimit("tokens per second", Bounds(least=50.0)),
        MeanLimit("time to ready", Bounds(most=500.0), 4.0),
    )


def test_a_level_that_the_file_of_the_user_lacks_is_not_judged(tmp_path: Path) -> None:
    file = tmp_path / "thresholds.toml"
    file.write_text(GOOD)
    with pytest.raises(NotSupported, match="the profile mine has no service level 'long prompts'"):
        load_profile("mine", file).level("long prompts")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[mine", "cannot be read"),
        (GOOD.replace("mine", "other"), "there is no profile 'mine'"),
        (GOOD.replace("time to first token", "patience"), "there is no metric 'patience'"),
        (
            GOOD.replace("percentile", "quantile"),
            "has quantile, limit; a limit has one of: limit and percentile",
        ),
        (GOOD.replace("= 90", "= 100"), "needs a percentile between 0 and 100"),
        (GOOD.replace("= 200", "= -1"), "a limit above 0"),
        (GOOD.replace("= 200", '= "soon"'), "limit of 'time to first token' has to be a number, not 'soon'"),
        (GOOD.replace("= 200", "= nan"), "has to be a number, not nan"),
        (ratio('of = "a", at_least = 1'), "has of, at_least; a limit has one of"),
        (ratio('of = "a", by = "a", at_least = 1'), "the names of two loads, not 'a' and 'a'"),
        (ratio('of = "a", by = 3, at_least = 1'), "the names of two loads, not 'a' and 3"),
        (ratio('of = "a", by = "b"'), "has of, by; a limit has one of"),
        (ratio("at_most = true"), "at_most of 'tokens per second' has to be a number, not True"),
        (ratio("at_most = 1, at_least = 2"), "cannot be at least 2 and at most 1"),
        (ratio("at_least = 2, for_each_mib = 1"), "needs at_most with a for_each_mib"),
        (ratio("at_most = 2, percent = 1"), "has at_most, percent; a limit has one of"),
        (ratio("at_most = 2").replace("tokens", "token"), "there is no metric 'token per second'"),
        ('[mine."short prompts"]\n"tokens per second" = [3]\n', "has to have limits, not 3"),
        (
            GOOD.replace("prompts", "promts"),
            "there is no service level 'short promts'; close matches: short prompts",
        ),
        (
            '[mine."several users"]\n"tokens per second" = { of = "8 user", by = "1 user", at_least = 2 }\n',
            "service level 'several users': there is no load '8 user'; close matches: 8 users",
        ),
        ('["every profile"]\n', "there is no profile 'mine'"),
        ("mine = 3\n", "no attribute"),
    ],
)
def test_a_mistake_is_one_line_with_the_file(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "thresholds.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as found:
        load_profile("mine", file)
    assert problem in str(found.value)
    assert str(file) in str(found.value)
    assert "\n" not in str(found.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: no such file"):
        load_profile("cpu", tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("count", "first", "verdict"),
    [
        (70, 100.0, Verdict.PASS),
        (70, 300.0, Verdict.FAIL),
        (20, 100.0, Verdict.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_a_threshold_is_judged_by_the_bounds(count: int, first: float, verdict: Verdict) -> None:
    figures = LoadFigures.of(result(*(request(number, first=first) for number in range(count))))
    found = Threshold(FIRST_TOKEN, 0.9, 200.0).judge_figures(figures)
    assert found.verdict is verdict
    assert str(found).startswith(f"time to first token p90 <= 200 ms: {first:.3g} ms (")


def test_failed_requests_are_no_evidence() -> None:
    found = Threshold(FIRST_TOKEN, 0.9, 200.0).judge_figures(LoadFigures.of(result(failed(1))))
    assert found.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert str(found).endswith("no request has one")


def test_the_time_of_a_token_is_measured_over_a_whole_answer() -> None:
    assert Threshold(FIRST_TOKEN, 0.9, 200.0).shortest_ms(tokens=32) == 200
    assert Threshold("inter-token latency", 0.9, 50.0).shortest_ms(tokens=32) == 31 * 50
    assert Threshold("inter-token latency", 0.9, 50.0).shortest_ms(tokens=1) == 50

"""Thresholds: the shipped profiles, a file of the user, mistakes in it; pass, fail or not enough evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import SettingsError
from support.performance import thresholds
from support.performance.load_figures import LoadFigures
from support.performance.percentiles import Verdict
from support.performance.thresholds import Threshold, load_profile
from tests.performance.loads import failed, request, result

FIRST_TOKEN = "time to first token"
GOOD = '[mine."quick"]\n"time to first token" = { percentile = 90, limit = 200 }\n'


@pytest.mark.parametrize("name", ["cpu", "gpu", "mlperf-conversational", "mlperf-interactive"])
def test_each_shipped_profile_has_the_levels_of_the_features(name: str) -> None:
    profile = load_profile(name)
    for level in ("short prompts", "long prompts"):
        assert {one.metric for one in profile.level(level)} == {FIRST_TOKEN, "inter-token latency"}
    with pytest.raises(SettingsError, match=rf"there is no service level 'quick'.*\(profile {name}\)"):
        profile.level("quick")


@pytest.mark.parametrize("gpu", [1, 0])
def test_auto_is_the_hardware_of_the_machine(monkeypatch: pytest.MonkeyPatch, gpu: int) -> None:
    monkeypatch.setattr(thresholds, "has_gpu", lambda: bool(gpu))
    assert load_profile("auto").name == ("gpu" if gpu else "cpu")


def test_a_file_of_the_user_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "thresholds.toml"
    file.write_text(GOOD)
    assert load_profile("mine", file).level("quick") == (Threshold(FIRST_TOKEN, 0.9, 200.0),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[mine", "cannot be read"),
        (GOOD.replace("mine", "other"), "there is no profile 'mine'"),
        (GOOD.replace("time to first token", "patience"), "there is no metric 'patience'"),
        (GOOD.replace("percentile", "quantile"), "has to have limit and percentile"),
        (GOOD.replace("= 90", "= 100"), "needs a percentile between 0 and 100"),
        (GOOD.replace("= 200", "= -1"), "a limit above 0"),
        (GOOD.replace("= 200", '= "soon"'), "could not convert string to float"),
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
    found = Threshold(FIRST_TOKEN, 0.9, 200.0).judge(figures)
    assert found.verdict is verdict
    assert str(found).startswith(f"time to first token p90 <= 200 ms: {first:.3g} ms (")


def test_failed_requests_are_no_evidence() -> None:
    found = Threshold(FIRST_TOKEN, 0.9, 200.0).judge(LoadFigures.of(result(failed(1))))
    assert found.verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert str(found).endswith("no request has succeeded")


def test_the_time_of_a_token_is_measured_over_a_whole_answer() -> None:
    assert Threshold(FIRST_TOKEN, 0.9, 200.0).shortest_ms(tokens=32) == 200
    assert Threshold("inter-token latency", 0.9, 50.0).shortest_ms(tokens=32) == 31 * 50
    assert Threshold("inter-token latency", 0.9, 50.0).shortest_ms(tokens=1) == 50

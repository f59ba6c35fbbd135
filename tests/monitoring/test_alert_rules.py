"""The alerts: each is inactive, pending, firing and inactive again when it should be, by Prometheus' own tool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.errors import SettingsError
from support.monitoring import alert_rules
from support.monitoring.alert_rules import alert_names, default_parameters, rules_file
from support.monitoring.metric_table import metrics_of

CASES: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("alert_cases.toml").read_text())
ROWS: Mapping[str, Any] = tomllib.loads(alert_rules.TABLE.read_text())
GROUPS = ["mistralrs.recorded", "mistralrs.availability", "mistralrs.latency", "mistralrs.capacity"]
ALL_LABELS = {"job": "mistralrs", "instance": "a:1"}
RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool (Debian's package prometheus) is not on the PATH"
)


def with_labels(series: str, labels: Mapping[str, str]) -> str:
    """A series as it is written in the cases, with more labels."""
    name, _, own = series.partition("{")
    parts = [f'{label}="{value}"' for label, value in labels.items()]
    return f"{name}{{{','.join([*parts, *filter(None, [own.rstrip('}')])])}}}"


def values_of(phases: Sequence[Sequence[Any]], *, counter: bool) -> str:
    found: list[Any] = [0 if counter else phases[0][1]]
    for minutes, value in phases:
        for _ in range(minutes):
            found.append(found[-1] + value if counter else value)
    return " ".join(map(str, found))


def input_series(case: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    for kind in ("gauges", "counters"):
        for series, phases in case.get(kind, {}).items():
            values = values_of(phases, counter=kind == "counters")
            yield {"series": with_labels(series, ALL_LABELS), "values": values}


def unit_test(name: str, case: Mapping[str, Any]) -> Mapping[str, Any]:
    """The test of one alert in promtool's format."""
    inactive, pending, firing, recovered = case["minutes"]
    row = ROWS[name]
    labels = {**ALL_LABELS, "severity": row["severity"], **case.get("labels", {})}
    if case.get("without_instance"):
        del labels["instance"]
    annotations = {
        "summary": row["summary"],
        "description": case["description"],
        "runbook_url": f"{default_parameters()['runbook']}#{name.lower()}",
    }
    expected = {firing: [{"exp_labels": labels, "exp_annotations": annotations}]}
    return {
        "interval": "1m",
        "input_series": [*input_series(case)],
        "alert_rule_test": [
            {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": expected.get(minute, [])}
            for minute in (inactive, pending, firing, recovered)
            if minute >= 0
        ],
    }


def promtool(folder: Path, *tests: Mapping[str, Any], rules: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "mistralrs.rules.yml").write_text(rules or rules_file())
    document = {
        "rule_files": ["mistralrs.rules.yml"],
        "evaluation_interval": "1m",
        "group_eval_order": GROUPS,
        "tests": tests,
    }
    (folder / "test.yml").write_text(json.dumps(document))
    assert PROMTOOL is not None
    return subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_every_alert_has_a_case() -> None:
    assert set(CASES) == set(alert_names())
    assert len(alert_names()) >= 16


@needs_promtool
@pytest.mark.parametrize("name", CASES)
def test_an_alert_is_inactive_pending_firing_and_recovered(name: str, tmp_path: Path) -> None:
    done = promtool(tmp_path, unit_test(name, CASES[name]))
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("name", CASES)
def test_pending_is_between_inactive_and_firing(name: str, tmp_path: Path) -> None:
    """Without its `for` the alert fires at the minute at which it is to be pending."""
    pending = CASES[name]["minutes"][1]
    if pending < 0:
        assert ROWS[name]["for"] == "0m"
        return
    at_once = re.sub(rf"(alert: {name}\n.*\n        for:) \w+", r"\1 0m", rules_file())
    test = {**unit_test(name, CASES[name])}
    test["alert_rule_test"] = [{"eval_time": f"{pending}m", "alertname": name, "exp_alerts": []}]
    assert promtool(tmp_path, test).returncode == 0
    assert promtool(tmp_path, test, rules=at_once).returncode == 1


@needs_promtool
def test_the_file_has_no_mistake_by_promtool(tmp_path: Path) -> None:
    file = tmp_path / "mistralrs.rules.yml"
    file.write_text(rules_file({"job": "other", "error_ratio": 0.25}))
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "check", "rules", "--lint=all", "--lint-fatal", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_parameters_are_replaced() -> None:
    text = rules_file({"job": "other", "error_ratio": 0.25})
    assert "@" not in text
    assert "mistralrs:errors:ratio5m > 0.25 " in text
    assert 'job=\\"mistralrs\\"' not in text
    with pytest.raises(SettingsError, match=r"'error_ration'.*error_ratio"):
        rules_file({"error_ration": 1})


def test_every_parameter_is_used() -> None:
    expressions = json.dumps({name: row for name, row in ROWS.items() if name != "parameters"})
    unused = [name for name in default_parameters() if f"@{name}@" not in expressions]
    assert unused == ["runbook"]


def test_annotations_follow_the_guidelines() -> None:
    for name in alert_names():
        row = ROWS[name]
        assert re.fullmatch(r"(?:[A-Z][a-z]+)+", name), name
        assert len(name) <= 40
        assert row["severity"] in ("critical", "warning", "info")
        assert re.fullmatch(r"[A-Z][^{]*\.", row["summary"]), name
        assert "{{" in row["description"], name
    sizes = [
        sum(row.get("group") == group for row in ROWS.values())
        for group in ("availability", "latency", "capacity")
    ]
    assert max(sizes) <= 20


def test_every_alert_has_a_section_in_the_runbook() -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert headings == alert_names()


def test_the_objective_is_the_bound_of_a_bucket() -> None:
    """The share of streams below it is exact then."""
    from support.bundled.reference_server.metrics import _FIRST_TOKEN

    assert default_parameters()["first_token_objective"] in _FIRST_TOKEN


def test_metrics_of_the_alerts_are_documented() -> None:
    documented = {metric.name for metric in metrics_of("mistralrs", "0.9.2")}
    used = set(re.findall(r"\b((?:http|mistralrs)_\w+?)(?:_bucket|_count|_sum)?\{", rules_file()))
    assert used >= {"http_requests_total", "mistralrs_tokens_processed_total"}
    # Of optional features: paged attention and the prefix cache.
    optional = {name for name in used if "kv_cache" in name or "prefix_cache" in name or "paged" in name}
    assert used - documented == optional

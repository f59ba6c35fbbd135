"""The alerts: each is inactive, pending, firing and recovered when it should be, by Prometheus' own tool."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from support.cli import main
from support.errors import EXIT_USAGE
from support.monitoring import alert_rules
from support.monitoring.alert_rules import alert_names, default_parameters, rules_file
from support.monitoring.metric_table import metrics_of
from support.probe.checks import Result
from support.probe.metrics import ProbeMetrics
from support.programs.process import CompletedCommand, run_command
from tests.timeouts import PATIENCE

CASES: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("alert_cases.toml").read_text())
ROWS: Mapping[str, Any] = tomllib.loads(alert_rules.TABLE.read_text())
GROUPS = [
    "mistralrs.recorded",
    "mistralrs.availability",
    "mistralrs.latency",
    "mistralrs.capacity",
    "mistralrs.probe",
]
ALL_LABELS = {"job": "mistralrs", "instance": "a:1"}
RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


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
            yield {"series": with_labels(series, labels_of(case)), "values": values}


def labels_of(case: Mapping[str, Any]) -> Mapping[str, str]:
    return {**ALL_LABELS, **({"job": case["job"]} if "job" in case else {})}


def unit_test(name: str, case: Mapping[str, Any]) -> Mapping[str, Any]:
    """The test of one alert in promtool's format."""
    inactive, pending, firing, recovered = case["minutes"]
    row = ROWS[name]
    labels = {**labels_of(case), "severity": row["severity"], **case.get("labels", {})}
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


def run_tests(
    promtool: Path, folder: Path, tests: Sequence[Mapping[str, Any]], rules: str = ""
) -> CompletedCommand:
    (folder / "mistralrs.rules.yml").write_text(rules or rules_file())
    document = {
        "rule_files": ["mistralrs.rules.yml"],
        "evaluation_interval": "1m",
        "group_eval_order": GROUPS,
        "tests": tests,
    }
    # JSON is YAML.
    (folder / "test.yml").write_text(json.dumps(document))
    return run_command([promtool, "test", "rules", "test.yml"], within=PATIENCE, cwd=folder)


def test_every_alert_has_a_case() -> None:
    assert set(CASES) == set(alert_names())
    assert len(alert_names()) >= 16


def test_alerts_are_inactive_pending_firing_and_recovered(promtool: Path, tmp_path: Path) -> None:
    done = run_tests(promtool, tmp_path, [unit_test(name, case) for name, case in CASES.items()])
    assert done.exit_code == 0, done.stdout + done.stderr


def test_pending_is_between_inactive_and_firing(promtool: Path, tmp_path: Path) -> None:
    """Without its `for` each alert fires at the minute at which it is to be pending."""
    tests = {}
    for name, case in CASES.items():
        minute = case["minutes"][1]
        assert (minute < 0) == (ROWS[name]["for"] == "0m")
        if minute >= 0:
            alert = {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []}
            tests[name] = {**unit_test(name, case), "alert_rule_test": [alert]}
    at_once = re.sub(r"(        for:) \w+", r"\1 0m", rules_file())
    done = run_tests(promtool, tmp_path, [*tests.values()], at_once)
    assert done.exit_code == 1
    fired = re.findall(r"alertname: ?(\w+)", done.stdout + done.stderr)
    assert set(fired) == set(tests)


def test_a_changed_sentence_is_noticed(promtool: Path, tmp_path: Path) -> None:
    name = "MistralrsDown"
    changed = rules_file().replace("for a minute.", "for an hour.")
    assert run_tests(promtool, tmp_path, [unit_test(name, CASES[name])], changed).exit_code == 1


@pytest.mark.parametrize(
    ("values", "firing"),
    [
        # None in 10 minutes, then 2 in a series that did not exist: it is new for 10 minutes.
        ("_x10 2x30", (0, 1, 1, 0)),
        # A server that makes the series at its start has had no error.
        ("_x10 0x30", (0, 0, 0, 0)),
        # One that Prometheus scrapes for the first time cannot be told from one that has just started.
        ("2x40", (1, 0, 0, 0)),
        # One scrape failed, or two: a series with old errors is not new 10 minutes later.
        ("2x1 stale 2x40", (1, 0, 0, 0)),
        ("2x1 stale stale 2x40", (1, 0, 0, 0)),
        # A server that was started again has its first error 13 minutes after its old series was there.
        ("2x1 stale _x11 2x40", (0, 0, 1, 0)),
    ],
)
def test_the_first_error_of_a_server_is_noticed(
    promtool: Path, tmp_path: Path, values: str, firing: Sequence[int]
) -> None:
    name = "MistralrsSequenceErrors"
    test = json.loads(json.dumps(unit_test(name, CASES[name])))
    test["input_series"][0]["values"] = values
    alert = test["alert_rule_test"][1]["exp_alerts"]
    test["alert_rule_test"] = [
        {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": alert if fires else []}
        for minute, fires in zip((9, 12, 19, 25), firing, strict=True)
    ]
    done = run_tests(promtool, tmp_path, [test])
    assert done.exit_code == 0, done.stdout + done.stderr


def test_offsets_are_as_much_shorter_as_windows() -> None:
    shorter = rules_file(speed=100)
    assert "offset 6000ms" in shorter and "[6000ms]" in shorter
    assert not re.search(r"(?:\[|offset )\d+[smhd]\b", shorter)


def test_a_process_that_ended_with_its_page_is_one_alert(promtool: Path, tmp_path: Path) -> None:
    """`MistralrsDown` is there then."""
    name = "MistralrsProcessEnded"
    case = {**CASES[name], "gauges": {"process_up": [[25, 0]], "up": [[15, 1], [10, 0]]}}
    case["minutes"] = [1, -1, 9, 20]
    done = run_tests(promtool, tmp_path, [unit_test(name, case)])
    assert done.exit_code == 0, done.stdout + done.stderr


def test_the_file_has_no_mistake_by_promtool(promtool: Path, tmp_path: Path) -> None:
    file = tmp_path / "mistralrs.rules.yml"
    file.write_text(rules_file({"job": "other", "error_ratio": 0.25}))
    done = run_command([promtool, "check", "rules", "--lint=all", "--lint-fatal", file], within=PATIENCE)
    assert done.exit_code == 0, done.stdout + done.stderr


def test_parameters_are_replaced() -> None:
    text = rules_file({"job": "other", "error_ratio": 0.25})
    assert "@" not in text
    assert "mistralrs:errors:ratio5m > 0.25 " in text
    assert 'job=\\"mistralrs\\"' not in text


def test_parameters_are_read_from_the_command_line() -> None:
    done = CliRunner().invoke(main, ["rules", "--set", "error_ratio=0.25", "--set", "job=other"])
    assert done.exit_code == 0
    assert done.output == rules_file({"job": "other", "error_ratio": 0.25})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("error_ration=1", r"'error_ration'.*error_ratio"),
        ("error_ratio", r"error_ratio = '' of the alerts: give a number above 0"),
        ("error_ratio=many", r"error_ratio = 'many'"),
        ("error_ratio=-1", r"error_ratio = '-1'"),
        ("error_ratio=nan", r"error_ratio = 'nan'"),
        ("first_token_objective=3", r"'3' of the alerts: give a bound of a bucket: 0\.001, .*, 2560"),
        ("job=", r"job = '' of the alerts: give a text"),
        ('job=a"b', r"job = 'a\"b' of the alerts: give a text"),
        ("job=a\\", r"job = .* of the alerts: give a text"),
        ("runbook=http://a/{{b", r"runbook = .* of the alerts: give a text"),
    ],
)
def test_a_wrong_parameter_is_one_line(text: str, message: str) -> None:
    done = CliRunner().invoke(main, ["rules", "--set", text])
    assert done.exit_code == EXIT_USAGE
    assert re.fullmatch(rf"acceptance: .*{message}.*\n", done.output)


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
        for group in ("availability", "latency", "capacity", "probe")
    ]
    assert max(sizes) <= 20


def test_every_alert_has_a_section_in_the_runbook() -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert headings == alert_names()


def test_the_objective_is_the_bound_of_a_bucket() -> None:
    """The share of streams below it is exact then."""
    from support.bundled.reference_server.metrics import _FIRST_TOKEN

    assert default_parameters()["first_token_objective"] in _FIRST_TOKEN


@pytest.mark.parametrize("written", ["5", "5.0"])
def test_a_whole_number_is_an_objective_however_it_is_written(
    promtool: Path, tmp_path: Path, written: str
) -> None:
    name = "MistralrsFirstTokenBudgetBurnsFast"
    rules = rules_file({"first_token_objective": 5})
    case = json.loads(json.dumps(CASES[name]).replace('le=\\"2.5\\"', f'le=\\"{written}\\"'))
    assert case != CASES[name]
    done = run_tests(promtool, tmp_path, [unit_test(name, case)], rules)
    assert done.exit_code == 0, done.stdout + done.stderr


def test_metrics_of_the_alerts_are_documented() -> None:
    documented = {metric.name for metric in metrics_of("mistralrs", "0.9.2")}
    used = set(re.findall(r"\b((?:http|mistralrs)_\w+?)(?:_bucket|_count|_sum)?\{", rules_file()))
    assert used >= {"http_requests_total", "mistralrs_tokens_processed_total"}
    # Of optional features: paged attention and the prefix cache.
    optional = {name for name in used if "kv_cache" in name or "prefix_cache" in name or "paged" in name}
    assert used - documented == optional


def test_metrics_of_the_probe_are_those_that_it_has() -> None:
    metrics = ProbeMetrics(60, "http://127.0.0.1:1")
    metrics.add(Result("probe.chat.stream", "", 0.2, 0.1))
    names = {sample.name for metric in metrics.registry.collect() for sample in metric.samples}
    used = set(re.findall(r"\b(acceptance_probe_\w+)\{", rules_file()))
    assert used and used <= names

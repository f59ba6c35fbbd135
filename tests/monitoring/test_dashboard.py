"""The dashboard and its provisioning: no rule finds anything, and each rule finds what it is for."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from support.cli import main
from support.errors import EXIT_USAGE, CheckFailed
from support.monitoring.alert_rules import Parameters, alert_names
from support.monitoring.dashboard import dashboard, dashboard_text, default_parameters
from support.monitoring.dashboard_queries import (
    TimeRange,
    chosen,
    filled_in,
    legend_of,
    panels_of,
    queries_of,
    variables_in,
)
from support.monitoring.metric_table import all_metrics
from support.programs.process import run_command
from tests.monitoring.dashboard_lint import RULES, Document, findings, variable
from tests.timeouts import PATIENCE

Change = Callable[[Document], Any]
BUILT_IN = TimeRange(0, 600, 5, 1).built_in()


def panel(document: Document, title: str) -> Document:
    return next(one for one in panels_of(document) if one["title"] == title)


def query(title: str, old: str, new: str, index: int = 0) -> Change:
    """A text in a query is another one."""

    def change(document: Document) -> None:
        target = panel(document, title)["targets"][index]
        assert old in target["expr"], target["expr"]
        target["expr"] = target["expr"].replace(old, new)

    return change


def put(path: str, value: Any) -> Change:
    """`panels.1.title` is another value; None removes it."""

    def change(document: Any) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        for part in way:
            document = document[part]
        document[last] = value

    return change


def var(_name: str, /, **values: Any) -> Change:
    return lambda document: variable(document, _name).update(values)


def own(_title: str, /, **values: Any) -> Change:
    return lambda document: panel(document, _title).update(values)


def without(title: str, key: str) -> Change:
    return lambda document: panel(document, title).pop(key)


def add_variable(document: Document) -> None:
    document["templating"]["list"].append({**variable(document, "job"), "name": "jobs"})


# What is broken, for each rule.
CONTROLS: list[tuple[str, Change, str]] = [
    ("schema", put("refresh", 5), "refresh is 5"),
    ("schema", put("stile", "dark"), "unknown key stile"),
    ("schema", own("Tokens", thresholds=[]), "unknown key thresholds"),
    ("schema", without("Tokens", "options"), "has no options"),
    ("schema", own("Tokens", id="7"), "id is '7'"),
    ("schema", own("Tokens", type="graph"), "graph is no kind"),
    ("schema", lambda d: panel(d, "Tokens")["targets"][0].update(expression="up"), "unknown key expression"),
    ("unique-ids", lambda d: own("Tokens", id=panel(d, "Sequences")["id"])(d), "2 times"),
    ("unique-ids", lambda d: panel(d, "Sequences")["targets"][1].update(refId="A"), "same refId"),
    ("unique-titles", own("Tokens", title="Sequences"), "two panels"),
    ("layout", lambda d: panel(d, "Tokens")["gridPos"].update(x=3), "Tokens and Sequences overlap"),
    ("layout", lambda d: panel(d, "KV cache in use")["gridPos"].update(w=13), "overlap"),
    ("layout", lambda d: panel(d, "Series of a page")["gridPos"].update(w=13), "24 columns"),
    ("identity", put("id", 7), "has an id"),
    ("identity", put("uid", "m" * 41), "1 to 40"),
    ("variables-defined", query("Tokens", "$job", "$jbo"), "$jbo is not defined"),
    ("variables-defined", own("Tokens", description="of $nothing"), "$nothing"),
    (
        "variables-used",
        add_variable,
        "$jobs",
    ),
    ("metrics-exist", query("Tokens", "tokens_processed_total", "tokens_total"), "mistralrs_tokens_total"),
    ("metrics-exist", query("Size of requests", "bytes_bucket", "bytes_buckets"), "bytes_buckets"),
    (
        "metrics-exist",
        var("model", query={"query": "label_values(nothing, model)"}),
        "no version has nothing",
    ),
    ("labels-exist", query("Requests by status", "by (status)", "by (code)"), "no label code"),
    ("labels-exist", query("Server errors", "status=~", "code=~"), "has no label code"),
    ("labels-exist", query("Sequences", "by (instance)", "by (model)"), "no label model"),
    ("objectives-are-bounds", var("first_token", query="0.25,3"), "3 is the bound of no bucket"),
    ("objectives-are-bounds", var("request", current={"value": "2"}), "2 is the bound of no bucket"),
    ("objectives-are-bounds", query("Tokens in time", "$inter_token", "$first_token"), "no objective of"),
    ("legend", lambda d: panel(d, "Tokens")["targets"][0].update(legendFormat=""), "has no legend"),
    ("legend", query("Tokens", "by (instance)", "by (instance, job)"), "differ by job"),
    (
        "legend",
        lambda d: panel(d, "Tokens")["targets"][0].update(legendFormat="{{model}}"),
        "differ by model",
    ),
    ("no-default-value", query("Tokens", "))", ")) or vector(0)"), "a value without data"),
    ("quantile-of-buckets", query("Time to first token", "model, le", "model"), "not summed by le"),
    ("quantile-of-buckets", query("First tokens in time", ',le=~"$first_token([.]0)?"', ""), "neither"),
    (
        "runbook-links",
        lambda d: panel(d, "Tokens")["links"][0].update(url="https://example.org/runbook.md#nothing"),
        "no section",
    ),
    ("template-datasource-rule", var("datasource", name="source"), "named datasource"),
    ("template-datasource-rule", var("datasource", label="Source"), "Source"),
    ("template-job-rule", var("job", name="jobs"), "no variable $job"),
    ("template-job-rule", var("job", multi=False), "several values"),
    ("template-job-rule", var("job", datasource={"uid": "abc"}), "another data source"),
    ("template-instance-rule", var("instance", allValue="*"), "by .+"),
    ("template-instance-rule", var("instance", label="Server"), "the label Server"),
    (
        "template-label-promql-rule",
        var("model", query={"query": "label_values(up{, model)"}),
        "no readable query",
    ),
    ("template-label-promql-rule", var("model", query={"query": "values(up, job)"}), "no readable"),
    ("template-on-time-change-reload-rule", var("model", refresh=1), "is not read again"),
    ("panel-datasource-rule", own("Tokens", datasource={"uid": "abc"}), "Tokens"),
    ("panel-datasource-rule", lambda d: panel(d, "Tokens")["targets"][0].pop("datasource"), "Tokens"),
    ("panel-title-description-rule", own("Tokens", description=""), "no description"),
    ("panel-title-description-rule", own("Tokens", title=""), "no title"),
    ("panel-units-rule", lambda d: panel(d, "Tokens")["fieldConfig"]["defaults"].pop("unit"), "no unit"),
    (
        "panel-units-rule",
        lambda d: panel(d, "Tokens")["fieldConfig"]["defaults"].update(unit="tokens"),
        "no unit",
    ),
    ("panel-no-targets-rule", own("Tokens", targets=[]), "no query"),
    ("target-promql-rule", query("Tokens", "sum by", "sum( by"), "Tokens"),
    ("target-promql-rule", query("Tokens", "))", ")"), "Tokens"),
    ("target-rate-interval-rule", query("Tokens", "$__rate_interval", "$__interval"), "[$__interval]"),
    ("target-rate-interval-rule", query("Tokens", "$__rate_interval", "5m"), "[5m]"),
    ("target-rate-interval-rule", query("Tokens", "$__rate_interval", "$__range"), "[$__range]"),
    ("target-job-rule", query("Tokens", 'job=~"$job",', ""), "without job"),
    ("target-job-rule", query("Tokens", "job=~", "job="), "without job"),
    ("target-instance-rule", query("Tokens", "$instance", ".+"), "without instance"),
    ("target-counter-agg-rule", query("Tokens", "rate(", "avg_over_time("), "tokens_processed_total"),
    ("target-counter-agg-rule", query("Sequences", "sequences_running", "tokens_processed_total"), "by rate"),
    ("gauge-without-rate", query("Tokens", "tokens_processed_total", "kv_cache_blocks_total"), "rate of"),
    ("by-model", query("Requests by status", ',model=~"$model"', ""), "without model"),
    ("uneditable-dashboard", put("editable", True), "lost"),
    ("alerts-annotated", lambda d: d["annotations"]["list"].pop(), "alerts"),
]


def test_no_rule_finds_anything() -> None:
    changed: Parameters = {"job": "other", "runbook": "https://wiki.example.org/r", "error_ratio": 0.2}
    assert findings(dashboard()) == {}
    assert findings(dashboard(changed)) == {}


@pytest.mark.parametrize(("name", "change", "expected"), CONTROLS)
def test_each_rule_finds_what_it_is_for(name: str, change: Change, expected: str) -> None:
    broken = copy.deepcopy(dashboard())
    change(broken)
    assert expected in "\n".join(findings(broken).get(name, ["nothing"]))


def test_a_panel_without_data_on_every_version_is_found() -> None:
    name = "mistralrs_sequences_completed_total"
    gone = dataclasses.replace(all_metrics()[name], programs={"mistralrs": "<0.9"})
    found = findings(dashboard(), {**all_metrics(), name: gone})
    assert found == {"never-empty-everywhere": ["Sequences completed is empty on every version"]}


def test_each_rule_has_a_control() -> None:
    assert {name for name, _, _ in CONTROLS} | {"never-empty-everywhere"} == set(RULES)


def rules_of_queries(document: Document) -> str:
    """The queries as a rules file, which promtool checks in one call: JSON is YAML."""
    values = {**BUILT_IN, "job": "mistralrs", "instance": ".+", "model": ".*"}
    values |= {"first_token": "2.5", "inter_token": "0.1", "request": "30"}
    queries = [filled_in(one.expression, values) for one in queries_of(document)]
    rules = [{"record": f"panel:query:{number}", "expr": text} for number, text in enumerate(queries)]
    return json.dumps({"groups": [{"name": "dashboard", "rules": rules}]})


def test_queries_are_valid_by_promtool(promtool: Path, tmp_path: Path) -> None:
    file = tmp_path / "queries.yml"
    file.write_text(rules_of_queries(dashboard()))
    done = run_command([promtool, "check", "rules", file], within=PATIENCE)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert f"{len(queries_of(dashboard()))} rules found" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new"), [("sum by", "sun by"), ("rate(", "histogram_quantile("), ("=~", "~=")]
)
def test_promtool_finds_a_query_that_is_not_valid(promtool: Path, tmp_path: Path, old: str, new: str) -> None:
    broken = copy.deepcopy(dashboard())
    query("Tokens", old, new)(broken)
    file = tmp_path / "queries.yml"
    file.write_text(rules_of_queries(broken))
    assert run_command([promtool, "check", "rules", file], within=PATIENCE).exit_code == 1


def test_it_has_panels_for_each_part() -> None:
    document = dashboard()
    assert len([*panels_of(document)]) >= 16
    collapsed = [row["title"] for row in document["panels"] if row.get("collapsed")]
    assert {"Paged attention", "Prefix cache", "Speculative decoding"} <= set(collapsed)


def test_every_alert_is_explained_by_a_panel() -> None:
    urls = {link["url"] for one in panels_of(dashboard()) for link in one["links"]}
    assert urls == {f"{default_parameters()['runbook']}#{name.lower()}" for name in alert_names()}


def test_limits_are_those_of_the_alerts() -> None:
    def limit(document: Document, title: str) -> float:
        return float(panel(document, title)["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"])

    changed = dashboard({"error_ratio": 0.25, "first_token_budget": 0.2})
    assert limit(dashboard(), "Server errors") == default_parameters()["error_ratio"]
    assert limit(changed, "Server errors") == 0.25
    assert limit(changed, "First tokens in time") == 0.8


def test_values_that_are_all_0_have_a_readable_axis() -> None:
    """Grafana's axis goes up to 100 without a highest value, so a share up to 10000 %."""

    def highest(title: str) -> float | None:
        found: float | None = panel(dashboard(), title)["fieldConfig"]["defaults"]["custom"].get(
            "axisSoftMax"
        )
        return found

    assert highest("Server errors") == default_parameters()["error_ratio"]
    assert highest("Sequence slots in use") == highest("Hits of the prefix cache") == 1
    assert highest("Requests in flight") == 1
    assert highest("Tokens") is None


def test_the_default_objective_is_that_of_the_alerts() -> None:
    default = variable(dashboard(), "first_token")["current"]["value"]
    assert float(default) == default_parameters()["first_token_objective"]


def test_the_command_prints_the_dashboard() -> None:
    done = CliRunner().invoke(main, ["dashboard", "--set", "error_ratio=0.25"])
    assert done.exit_code == 0
    assert done.output == dashboard_text({"error_ratio": 0.25})
    assert "@" not in done.output.replace("@grafana", "")


def test_files_for_provisioning_fit_together(tmp_path: Path) -> None:
    words = ["--folder", str(tmp_path / "new"), "--prometheus", "http://p$1:9090", "--scrape-interval", "5s"]
    done = CliRunner().invoke(main, ["dashboard", *words])
    assert done.exit_code == 0
    texts = {file: Path(file).read_text() for file in done.output.split()}
    assert len(texts) == 3
    files = {str(Path(file).relative_to(tmp_path / "new")): json.loads(text) for file, text in texts.items()}
    source = files["provisioning/datasources/mistralrs.yml"]["datasources"][0]
    provider = files["provisioning/dashboards/mistralrs.yml"]["providers"][0]
    assert files["dashboards/mistralrs.json"] == dashboard()
    assert Path(provider["options"]["path"]) == (tmp_path / "new" / "dashboards")
    # In these files a single $ begins the name of a variable of the environment.
    assert source["url"] == "http://p$$1:9090"
    assert source["jsonData"]["timeInterval"] == "5s"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "eror_ratio=1"], r"no parameter of the dashboard 'eror_ratio'; .*error_ratio"),
        (["--set", "request_budget=x"], r"request_budget = 'x' of the dashboard: give a number above 0"),
        (["--folder", "X"], r"--prometheus is missing; give the URL .*"),
        (["--folder", "/dev/null/x", "--prometheus", "http://p"], r"--folder /dev/null/x: .*"),
        (
            ["--folder", "X", "--prometheus", "http://p", "--scrape-interval", "soon"],
            r"--scrape-interval soon: give a duration such as 15s",
        ),
        (
            ["--folder", "X", "--prometheus", "http://p", "--scrape-interval", "0s"],
            r"--scrape-interval 0s: .*",
        ),
        (["--folder", "X", "--prometheus", "prometheus"], r"--prometheus: give an http or https address .*"),
        (["--folder", "X", "--prometheus", "http://u:secret@p"], r"--prometheus: (?!.*secret).*"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["dashboard", *words])
    assert done.exit_code == EXIT_USAGE
    assert re.fullmatch(rf"acceptance: .*{message}\n", done.output), done.output


# -- variables


def test_variables_are_found_in_every_notation() -> None:
    assert variables_in("$a ${b} ${c:regex} ${d.key} [$__rate_interval] $ $1") >= {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("values", "written"),
    [(["a"], "a"), (["a", "b"], "(a|b)"), (["127.0.0.1:80"], r"127\\.0\\.0\\.1:80"), (["a+b"], r"a\\+b")],
)
def test_choices_are_escaped_for_promql(values: list[str], written: str) -> None:
    assert chosen(values) == written


def test_the_rate_interval_covers_four_scrapes() -> None:
    assert BUILT_IN["__rate_interval"] == "6000ms"
    assert TimeRange(0, 600, 1, 15).built_in()["__rate_interval"] == "60000ms"
    assert BUILT_IN["__range"] == "600000ms"


def test_a_variable_without_a_value_is_an_error() -> None:
    with pytest.raises(CheckFailed, match=r"no value for \$b, \$c: "):
        filled_in("$a $b ${c}", {"a": "1"})


@pytest.mark.parametrize(
    ("template", "labels", "legend"),
    [
        ("p95 {{model}}", {"model": "m"}, "p95 m"),
        ("", {"a": "1"}, "a=1"),
        ("{{ x }}", {}, ""),
        ("", {}, "value"),
    ],
)
def test_legends_have_the_values_of_labels(template: str, labels: Mapping[str, str], legend: str) -> None:
    assert legend_of(template, labels) == legend

"""What is wrong with a dashboard: our own rules, and those of grafana/dashboard-linter by their names.

Source of those: https://github.com/grafana/dashboard-linter/blob/main/docs/index.md.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from support.monitoring.dashboard import COLUMNS, SERVER, default_parameters, objectives
from support.monitoring.dashboard_queries import BUILT_IN, panels_of, variables_in
from support.monitoring.metric_table import Metric, all_metrics, metric_of_series
from support.monitoring.promql import (
    Aggregation,
    Binary,
    Call,
    Labels,
    Matcher,
    Node,
    Selector,
    UnreadableQuery,
    labels_of,
    parse,
    parts,
    selectors,
)
from tests.monitoring.grafana_schema import schema_findings

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
Document = dict[str, Any]
Rule = Callable[[Document, Mapping[str, Metric]], Iterator[str]]
RULES: dict[str, Rule] = {}
TARGET_LABELS = frozenset(["job", "instance"])
PANELS_WITH_UNIT = ("stat", "timeseries", "table", "gauge")
UNITS = {"short", "percentunit", "s", "bytes", "reqps", "ops", "cps", "none"}
VERSIONS = ("0.9.0", "0.9.1", "0.9.2", "0.9.5")
RATES = ("rate", "irate", "increase")
# Not one of the servers that can be chosen.
OF_THE_PROBE = Matcher("job", "=", str(default_parameters()["probe_job"]))
OWN_PROGRAMS = ("mistralrs", "mistralrs-reference")


def rule(name: str) -> Callable[[Rule], Rule]:
    def add(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return add


def findings(document: Document, metrics: Mapping[str, Metric] | None = None) -> dict[str, list[str]]:
    """Of each rule that finds something."""
    table = metrics or all_metrics()
    found = {name: [*check(document, table)] for name, check in RULES.items()}
    return {name: texts for name, texts in found.items() if texts}


def targets_of(document: Document) -> Iterator[tuple[Document, Document]]:
    for panel in panels_of(document):
        for target in panel.get("targets", []):
            yield panel, target


@cache
def tree_of(expression: str) -> Node:
    return parse(expression)


def trees_of(document: Document) -> Iterator[tuple[Document, Document, Node]]:
    """Of each query that can be read; the others are those of one rule."""
    for panel, target in targets_of(document):
        try:
            yield panel, target, tree_of(target["expr"])
        except UnreadableQuery:
            continue


def labels_of_series(series: str, metrics: Mapping[str, Metric]) -> Labels:
    metric = metric_of_series(series, metrics)
    own = metric.labels if metric else frozenset()
    return own | TARGET_LABELS | ({"le"} if series.endswith("_bucket") else set())


def variables(document: Document, kind: str) -> list[Document]:
    return [one for one in document["templating"]["list"] if one["type"] == kind]


def variable(document: Document, name: str) -> Document:
    return next((one for one in document["templating"]["list"] if one["name"] == name), {})


# -- our own


@rule("schema")
def _schema(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    yield from schema_findings(document)


@rule("unique-ids")
def _unique_ids(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    rows = [panel for panel in document["panels"] if panel["type"] == "row"]
    ids = [panel["id"] for panel in [*panels_of(document), *rows]]
    yield from (f"id {one} is there {ids.count(one)} times" for one in set(ids) if ids.count(one) > 1)
    for panel in panels_of(document):
        names = [target["refId"] for target in panel.get("targets", [])]
        if len(set(names)) != len(names):
            yield f"{panel['title']}: two queries have the same refId"


@rule("unique-titles")
def _unique_titles(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    titles = [panel["title"] for panel in panels_of(document)]
    yield from (f"two panels are named {title}" for title in sorted(set(titles)) if titles.count(title) > 1)


@rule("layout")
def _layout(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    groups = [document["panels"]]
    groups += [row["panels"] for row in document["panels"] if row["type"] == "row" and row["panels"]]
    for group in groups:
        for panel in group:
            place = panel["gridPos"]
            if place["x"] < 0 or place["y"] < 0 or place["x"] + place["w"] > COLUMNS or place["h"] < 1:
                yield f"{panel['title']} is not inside the {COLUMNS} columns"
        for one, other in itertools.combinations(group, 2):
            if _overlap(one["gridPos"], other["gridPos"]):
                yield f"{one['title']} and {other['title']} overlap"


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@rule("identity")
def _identity(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    if document.get("id") is not None:
        yield "the dashboard has an id, which belongs to one Grafana"
    if not re.fullmatch(r"[\w-]{1,40}", document.get("uid", "")):
        yield "the uid has to have 1 to 40 letters, digits, - and _"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


@rule("variables-defined")
def _variables_defined(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    defined = {one["name"] for one in document["templating"]["list"]} | set(BUILT_IN)
    used = {name for text in _texts(document) for name in variables_in(text)}
    # Of links and of the built-in choice of all values.
    used -= {"__all", "__url_time_range", "__value"}
    yield from (f"${name} is not defined" for name in sorted(used - defined))


@rule("variables-used")
def _variables_used(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    places = [document["panels"], [one.get("query", "") for one in document["templating"]["list"]]]
    used = {name for text in _texts(places) for name in variables_in(text)}
    for one in document["templating"]["list"]:
        if one["name"] not in used:
            yield f"${one['name']} is not used"


@rule("metrics-exist")
def _metrics_exist(document: Document, metrics: Mapping[str, Metric]) -> Iterator[str]:
    for panel, _, tree in trees_of(document):
        for selector in selectors(tree):
            if metric_of_series(selector.name, metrics) is None:
                yield f"{panel['title']}: no version has {selector.name}"
    for one in variables(document, "query"):
        for name in re.findall(r"label_values\((\w+)", one["query"]["query"]):
            if name not in metrics:
                yield f"${one['name']}: no version has {name}"


@rule("labels-exist")
def _labels_exist(document: Document, metrics: Mapping[str, Metric]) -> Iterator[str]:
    for panel, _, tree in trees_of(document):
        for selector in selectors(tree):
            known = labels_of_series(selector.name, metrics)
            for matcher in selector.matchers:
                if matcher.label not in known:
                    yield f"{panel['title']}: {selector.name} has no label {matcher.label}"
        series = {one.name: labels_of_series(one.name, metrics) for one in selectors(tree)}
        for part, _ in parts(tree):
            if isinstance(part, Aggregation) and part.clause:
                inner = labels_of(part.arguments[-1], series) or frozenset()
                for label in sorted(part.labels - inner):
                    yield f"{panel['title']}: there is no label {label} to aggregate by"


@rule("never-empty-everywhere")
def _never_empty(document: Document, metrics: Mapping[str, Metric]) -> Iterator[str]:
    """Some version has all metrics of one of the panel's queries."""
    servers = list(itertools.product(OWN_PROGRAMS, VERSIONS))
    of_panel: dict[str, list[Node]] = {panel["title"]: [] for panel in panels_of(document)}
    for panel, _, tree in trees_of(document):
        of_panel[panel["title"]].append(tree)
    for title, trees in of_panel.items():
        if not any(_has_all(tree, metrics, *server) for tree in trees for server in servers):
            yield f"{title} is empty on every version"


def _has_all(tree: Node, metrics: Mapping[str, Metric], program: str, version: str) -> bool:
    found = [metric_of_series(selector.name, metrics) for selector in selectors(tree)]
    # Prometheus and an exporter are beside any version.
    own = [one for one in found if one is None or set(one.programs) & set(OWN_PROGRAMS) or not one.programs]
    return bool(found) and all(one is not None and one.is_of(program, version) for one in own)


@rule("objectives-are-bounds")
def _objectives(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    """A share by an objective is exact for the bound of a bucket only."""
    from support.bundled.reference_server.metrics import _DURATIONS, _FIRST_TOKEN, _INTER_TOKEN

    bounds = {"first_token": _FIRST_TOKEN, "inter_token": _INTER_TOKEN, "request": _DURATIONS}
    assert bounds.keys() == objectives().keys()
    for name, known in bounds.items():
        one = variable(document, name)
        for value in [*one.get("query", "").split(","), one.get("current", {}).get("value")]:
            if not value or float(value) not in known:
                yield f"${name}: {value} is the bound of no bucket"
    for panel, _, tree in trees_of(document):
        for selector in selectors(tree):
            matcher = selector.matcher("le")
            name = matcher.value.removeprefix("$").removesuffix("([.]0)?") if matcher else ""
            row = objectives().get(name)
            if matcher and (row is None or selector.name != f"{row['metric']}_bucket"):
                yield f"{panel['title']}: {matcher.value} is no objective of {selector.name}"


@rule("legend")
def _legend(document: Document, metrics: Mapping[str, Metric]) -> Iterator[str]:
    """Each series of a panel has a name of its own."""
    for panel, target, tree in trees_of(document):
        template = target.get("legendFormat", "")
        if not template:
            yield f"{panel['title']} {target['refId']} has no legend"
            continue
        if panel["type"] == "table":
            continue
        series = {one.name: labels_of_series(one.name, metrics) for one in selectors(tree)}
        labels = labels_of(tree, series) or frozenset()
        named = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", template))
        for label in sorted(named ^ labels):
            yield f"{panel['title']} {target['refId']}: the legend and the labels differ by {label}"


@rule("no-default-value")
def _no_default(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    """`or vector(0)` shows 0 where there is no data."""
    for panel, _, tree in trees_of(document):
        for part, _around in parts(tree):
            if isinstance(part, Binary) and part.operator == "or" and not selectors(part.right):
                yield f"{panel['title']} shows a value without data"


@rule("quantile-of-buckets")
def _quantile(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    for panel, _, tree in trees_of(document):
        for part, around in parts(tree):
            if isinstance(part, Selector) and part.name.endswith("_bucket"):
                quantile = any(isinstance(one, Call) and one.name == "histogram_quantile" for one in around)
                by = next((one for one in around if isinstance(one, Aggregation)), None)
                if quantile and (by is None or by.clause != "by" or "le" not in by.labels):
                    yield f"{panel['title']}: a quantile of buckets that are not summed by le"
                if not quantile and part.matcher("le") is None:
                    yield f"{panel['title']}: buckets are read neither as a quantile nor by a bound"


@rule("runbook-links")
def _runbook_links(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    sections = {heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)}
    for panel in panels_of(document):
        for link in panel.get("links", []):
            if link["url"].rpartition("#")[2] not in sections:
                yield f"{panel['title']}: the runbook has no section for {link['url']}"


# -- dashboard-linter's, by its names


@rule("template-datasource-rule")
def _template_datasource(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    found = variables(document, "datasource")
    named = [(one["name"], one["label"], one["query"]) for one in found]
    if named != [("datasource", "Data source", "prometheus")]:
        yield f"one variable for the data source, named datasource, is missing: {named}"


def _template(document: Document, name: str) -> Iterator[str]:
    one = variable(document, name)
    if not one or one["type"] != "query":
        yield f"there is no variable ${name} from a query"
        return
    if one["label"] != name.title():
        yield f"${name} has the label {one['label']}"
    if one["datasource"]["uid"] != "${datasource}":
        yield f"${name} is of another data source"
    if not one["multi"] or not one["includeAll"] or one["allValue"] != ".+":
        yield f"${name} has to allow several values and all, by .+"


@rule("template-job-rule")
def _template_job(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    yield from _template(document, "job")


@rule("template-instance-rule")
def _template_instance(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    yield from _template(document, "instance")


@rule("template-label-promql-rule")
def _template_promql(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    for one in variables(document, "query"):
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", one["query"]["query"])
        try:
            tree = parse(found[1]) if found else None
        except UnreadableQuery:
            tree = None
        if not isinstance(tree, Selector):
            yield f"${one['name']} has no readable query: {one['query']['query']}"


@rule("template-on-time-change-reload-rule")
def _template_reload(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    for one in variables(document, "query"):
        if one["refresh"] != 2:
            yield f"${one['name']} is not read again when the time range changes"


@rule("panel-datasource-rule")
def _panel_datasource(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    for panel in panels_of(document):
        for one in [panel, *panel.get("targets", [])]:
            if one.get("datasource", {}).get("uid") != "${datasource}":
                yield f"{panel['title']} is not of the chosen data source"


@rule("panel-title-description-rule")
def _panel_title(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    for panel in panels_of(document):
        if not panel.get("title") or not panel.get("description"):
            yield f"panel {panel['id']} has no title or no description"


@rule("panel-units-rule")
def _panel_units(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    for panel in panels_of(document):
        if panel["type"] in PANELS_WITH_UNIT and panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"{panel['title']} has no unit that Grafana knows"


@rule("panel-no-targets-rule")
def _panel_targets(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    for panel in panels_of(document):
        if not panel.get("targets"):
            yield f"{panel['title']} has no query"


@rule("target-promql-rule")
def _target_promql(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    for panel, target in targets_of(document):
        try:
            parse(target["expr"])
        except UnreadableQuery as error:
            yield f"{panel['title']}: {error}"


@rule("target-rate-interval-rule")
def _target_rate(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    """A total of the whole range belongs to a moment: else each point would be one of the hours before it."""
    for panel, target, tree in trees_of(document):
        for part, around in parts(tree):
            if not isinstance(part, Selector) or not part.range:
                continue
            call = around[0] if around else None
            allowed = {"$__rate_interval"}
            if isinstance(call, Call) and call.name == "increase" and target["instant"]:
                allowed.add("$__range")
            if part.range not in allowed:
                yield f"{panel['title']}: [{part.range}] instead of [$__rate_interval]"


def _target_matcher(document: Document, label: str) -> Iterator[str]:
    for panel, _, tree in trees_of(document):
        for selector in selectors(tree):
            if selector.matcher("job") == OF_THE_PROBE:
                continue
            matcher = selector.matcher(label)
            if matcher is None or (matcher.operator, matcher.value) != ("=~", f"${label}"):
                yield f'{panel["title"]}: {selector.name} without {label}=~"${label}"'


@rule("target-job-rule")
def _target_job(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    yield from _target_matcher(document, "job")


@rule("target-instance-rule")
def _target_instance(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    yield from _target_matcher(document, "instance")


@rule("target-counter-agg-rule")
def _target_counter(document: Document, metrics: Mapping[str, Metric]) -> Iterator[str]:
    """A counter, or a part of a histogram, by its growth alone; whatever its name ends with."""
    for panel, _, tree in trees_of(document):
        for part, around in parts(tree):
            metric = metric_of_series(part.name, metrics) if isinstance(part, Selector) else None
            if metric is None or metric.type == "gauge":
                continue
            call = around[0] if around else None
            if not isinstance(call, Call) or call.name not in RATES:
                yield f"{panel['title']}: the counter {metric.name} is not read by rate or increase"


@rule("gauge-without-rate")
def _gauge(document: Document, metrics: Mapping[str, Metric]) -> Iterator[str]:
    for panel, _, tree in trees_of(document):
        for part, around in parts(tree):
            metric = metric_of_series(part.name, metrics) if isinstance(part, Selector) else None
            call = around[0] if around else None
            gauge = metric is not None and metric.type == "gauge"
            if gauge and isinstance(call, Call) and call.name in RATES:
                yield f"{panel['title']}: {call.name} of the gauge {part}"


@rule("by-model")
def _by_model(document: Document, metrics: Mapping[str, Metric]) -> Iterator[str]:
    """Series with a model are those of the chosen model."""
    for panel, _, tree in trees_of(document):
        for selector in selectors(tree):
            matcher = selector.matcher("model")
            has = "model" in labels_of_series(selector.name, metrics)
            if has and (matcher is None or (matcher.operator, matcher.value) != ("=~", "$model")):
                yield f'{panel["title"]}: {selector.name} without model=~"$model"'


@rule("uneditable-dashboard")
def _uneditable(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    if document.get("editable") is not False:
        yield "changes in the browser would be lost at the next start"


@rule("alerts-annotated")
def _annotated(document: Document, _: Mapping[str, Metric]) -> Iterator[str]:
    found: Sequence[Document] = document["annotations"]["list"]
    if not any(
        one.get("target", {}).get("expr") == f'ALERTS{{alertstate="firing",{SERVER}}}' for one in found
    ):
        yield "alerts that fire are not drawn into the panels"

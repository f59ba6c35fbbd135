"""What is wrong with a rules file: mixtool's rules for alerts, and ten of pint's checks, by their names.

Sources: monitoring-mixins/mixtool, pkg/mixer/lint.go and the guidelines of monitoring.mixins.dev;
https://cloudflare.github.io/pint/checks/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.monitoring.metric_table import all_metrics, metric_of_series
from support.monitoring.promql import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregation,
    Binary,
    Call,
    Labels,
    Node,
    Selector,
    labels_of,
    parse,
    parts,
    selectors,
)
from tests.monitoring.dashboard_lint import labels_of_series

# The longest interval at which a server is usually scraped.
SCRAPE_SECONDS = 60
MOST_RULES, MOST_CHARACTERS = 20, 40
SEVERITIES = ("critical", "warning", "info")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
GROWTH = ("rate", "irate", "increase", "resets", "changes")
ARITHMETIC = ("+", "-", "*", "/", "%", "^")


@dataclass
class Rule:
    """One rule of the file; `alert` or `record` is its name."""

    expr: str = ""
    alert: str = ""
    record: str = ""
    wait: str = "0m"
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.alert or self.record

    @property
    def tree(self) -> Node:
        return parse(self.expr)


Groups = Mapping[str, Sequence[Rule]]
Check = Callable[[Groups, Mapping[str, Labels]], Iterator[str]]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    def add(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return add


def read_rules(text: str) -> Groups:
    """The groups of a file in the form of `acceptance rules`: a part of YAML, with strings of JSON."""
    groups: dict[str, list[Rule]] = {}
    rules: list[Rule] = []
    into: Any = None
    for line in text.splitlines()[1:]:
        key, _, value = line.strip().removeprefix("- ").partition(": ")
        key, value = key.removesuffix(":"), json.loads(value) if value.startswith('"') else value
        depth = len(line) - len(line.lstrip())
        if key == "name":
            rules = groups.setdefault(value, [])
        elif depth == 6:
            rules.append(Rule(alert=value) if key == "alert" else Rule(record=value))
        elif key in ("labels", "annotations"):
            into = getattr(rules[-1], key)
        elif depth == 10:
            into[key] = value
        elif depth == 8:
            setattr(rules[-1], "wait" if key == "for" else key, value)
    return groups


def findings(text: str) -> dict[str, list[str]]:
    """Of each check that finds something."""
    groups = read_rules(text)
    series = {name: labels_of_series(name, all_metrics()) for name in _names(groups)}
    for rule in _rules(groups):
        if rule.record:
            series[rule.record] = labels_of(rule.tree, series) or frozenset()
    found = {name: [*function(groups, series)] for name, function in CHECKS.items()}
    return {name: texts for name, texts in found.items() if texts}


def _rules(groups: Groups) -> Iterator[Rule]:
    for rules in groups.values():
        yield from rules


def _alerts(groups: Groups) -> Iterator[Rule]:
    return (rule for rule in _rules(groups) if rule.alert)


def _names(groups: Groups) -> set[str]:
    return {selector.name for rule in _rules(groups) for selector in selectors(rule.tree)}


def _seconds(duration: str) -> int:
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


# -- mixtool's


@check("alert-name-camelcase")
def _camel_case(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    for rule in _alerts(groups):
        if not re.fullmatch(r"(?:[A-Z]+[a-z0-9]+)+", rule.alert):
            yield f"{rule.alert} is not in camel case"


@check("alert-name-length")
def _name_length(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    yield from (f"{one.alert} is too long" for one in _alerts(groups) if len(one.alert) > MOST_CHARACTERS)


@check("alert-severity-rule")
def _severity(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    for rule in _alerts(groups):
        if rule.labels.get("severity") not in SEVERITIES:
            yield f"{rule.alert} has the severity {rule.labels.get('severity')}"


@check("alert-description-missing-rule")
def _description(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    for rule in _alerts(groups):
        if not rule.annotations.get("description"):
            yield f"{rule.alert} has no description"


@check("alert-description-templating")
def _description_template(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    for rule in _alerts(groups):
        text = rule.annotations.get("description", "")
        if text and not re.search(r"\{\{.+\}\}", text):
            yield f"the description of {rule.alert} has no template"


@check("alert-summary-missing-rule")
def _summary(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    yield from (
        f"{one.alert} has no summary" for one in _alerts(groups) if not one.annotations.get("summary")
    )


@check("alert-summary-templating")
def _summary_template(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    for rule in _alerts(groups):
        if "{{" in rule.annotations.get("summary", ""):
            yield f"the summary of {rule.alert} has a template"


@check("alert-summary-style")
def _summary_style(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    for rule in _alerts(groups):
        text = rule.annotations.get("summary", "")
        if text and not re.fullmatch(r"[A-Z].+\.", text):
            yield f"the summary of {rule.alert} is no sentence: {text}"


@check("group-size")
def _group_size(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    yield from (f"{name} has {len(rules)} rules" for name, rules in groups.items() if len(rules) > MOST_RULES)


@check("group-name-length")
def _group_name(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    yield from (f"the name of group {name} is too long" for name in groups if len(name) > MOST_CHARACTERS)


# -- pint's


@check("alerts/absent")
def _absent(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    """A restart of Prometheus, or one scrape that fails, is no absence."""
    for rule in _alerts(groups):
        absent = any(isinstance(part, Call) and part.name == "absent" for part, _around in parts(rule.tree))
        if absent and _seconds(rule.wait) < 2 * SCRAPE_SECONDS:
            yield f"{rule.alert} uses absent() and waits for less than two scrapes: {rule.wait}"


@check("alerts/comparison")
def _comparison(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    """Without a condition it always fires."""
    yield from (f"{one.alert} has no condition" for one in _alerts(groups) if not _conditional(one.tree))


def _conditional(node: Node) -> bool:
    if isinstance(node, Call):
        return node.name == "absent"
    if not isinstance(node, Binary):
        return False
    if node.operator in COMPARISONS:
        return not node.returns_bool
    sides = [_conditional(node.left), _conditional(node.right)]
    return all(sides) if node.operator == "or" else node.operator in SET_OPERATORS and any(sides)


@check("alerts/template")
def _template(groups: Groups, series: Mapping[str, Labels]) -> Iterator[str]:
    """A value in a label makes a new alert at each evaluation; a label that is not there is empty."""
    for rule in _alerts(groups):
        for name, text in rule.labels.items():
            if "$value" in text:
                yield f"the label {name} of {rule.alert} has a value"
        known = labels_of(rule.tree, series) or frozenset()
        for text in rule.annotations.values():
            for label in re.findall(r"\$labels\.(\w+)", text):
                if label not in known:
                    yield f"{rule.alert} has no label {label}"


@check("promql/rate")
def _rate(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    for rule in _rules(groups):
        for part, around in parts(rule.tree):
            call = around[0] if around else None
            if not isinstance(part, Selector) or not isinstance(call, Call) or call.name not in GROWTH:
                continue
            metric = metric_of_series(part.name, all_metrics())
            if metric is not None and metric.type == "gauge":
                yield f"{rule.name}: {call.name} of the gauge {part.name}"
            if _seconds(part.range) < 2 * SCRAPE_SECONDS:
                yield f"{rule.name}: [{part.range}] has less than two scrapes"


@check("promql/counter")
def _counter(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    """One that was not there before (`unless count_over_time`) has no growth, and its value is that."""
    for rule in _rules(groups):
        for part, around in parts(rule.tree):
            metric = metric_of_series(part.name, all_metrics()) if isinstance(part, Selector) else None
            call = around[0] if around else None
            if metric is None or metric.type == "gauge":
                continue
            if isinstance(call, Binary) and call.operator == "unless":
                continue
            if not isinstance(call, Call) or call.name not in (*GROWTH, "count_over_time"):
                yield f"{rule.name}: the counter {metric.name} by its value"


@check("promql/series")
def _series(groups: Groups, series: Mapping[str, Labels]) -> Iterator[str]:
    recorded = {rule.record for rule in _rules(groups)}
    for rule in _rules(groups):
        for selector in selectors(rule.tree):
            if selector.name not in recorded and metric_of_series(selector.name, all_metrics()) is None:
                yield f"{rule.name}: nothing has {selector.name}"
            for matcher in selector.matchers:
                if matcher.label not in series[selector.name]:
                    yield f"{rule.name}: {selector.name} has no label {matcher.label}"


@check("promql/vector_matching")
def _vector_matching(groups: Groups, series: Mapping[str, Labels]) -> Iterator[str]:
    for rule in _rules(groups):
        for part, _ in parts(rule.tree):
            if not isinstance(part, Binary):
                continue
            left, right = labels_of(part.left, series), labels_of(part.right, series)
            if left is None or right is None or part.operator == "or":
                continue
            if part.matching == "on" and not (part.labels <= left and part.labels <= right):
                yield f"{rule.name}: a side of {part.operator} lacks a label of on()"
            if part.matching != "on" and left - part.labels != right - part.labels:
                yield f"{rule.name}: the labels of {part.operator} differ: {sorted(left ^ right)}"


@check("promql/fragile")
def _fragile(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    """A label that is added later changes what matches; the first of many change at each evaluation."""
    for rule in _rules(groups):
        for part, around in parts(rule.tree):
            if not isinstance(part, Aggregation):
                continue
            if part.name in ("topk", "bottomk"):
                yield f"{rule.name}: {part.name} has other series each time"
            joined = any(isinstance(one, Binary) and one.operator in ARITHMETIC for one in around)
            if part.clause == "without" and joined:
                yield f"{rule.name}: without() inside of arithmetic"


@check("promql/impossible")
def _impossible(groups: Groups, series: Mapping[str, Labels]) -> Iterator[str]:
    """Labels that were aggregated away, or never there; matchers that exclude each other."""
    for rule in _rules(groups):
        for part, _ in parts(rule.tree):
            if isinstance(part, Aggregation) and part.clause == "by":
                inner = labels_of(part.arguments[-1], series) or frozenset()
                for label in sorted(part.labels - inner):
                    yield f"{rule.name}: nothing to aggregate has the label {label}"
            if isinstance(part, Selector):
                equal = [matcher.label for matcher in part.matchers if matcher.operator == "="]
                for label in sorted({label for label in equal if equal.count(label) > 1}):
                    yield f"{rule.name}: {part.name} has two values of {label}"


@check("rule/duplicate")
def _duplicate(groups: Groups, _: Mapping[str, Labels]) -> Iterator[str]:
    seen: dict[tuple[str, str], Rule] = {}
    for rule in _rules(groups):
        key = (rule.name, json.dumps(rule.labels, sort_keys=True))
        if key in seen or (rule.alert and rule.expr in {one.expr for one in seen.values() if one.alert}):
            yield f"{rule.name} is there twice, or under two names"
        seen[key] = rule

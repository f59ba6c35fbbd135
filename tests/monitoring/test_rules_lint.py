"""The rules file: no check finds anything, and each check finds what it is for."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from support.monitoring.alert_rules import alert_names, rules_file
from tests.monitoring.rules_lint import CHECKS, findings, read_rules

Change = Callable[[str], str]


def swap(old: str, new: str) -> Change:
    """The first place that fits is another text."""

    def change(text: str) -> str:
        changed = re.sub(old, lambda found: found.expand(new), text, count=1)
        assert changed != text, old
        return changed

    return change


def of(alert: str, old: str, new: str) -> Change:
    """A text in one alert is another one."""
    return swap(rf"(?s)(- alert: {alert}\n(?:(?!- alert).)*?){old}", rf"\g<1>{new}")


def one_group(text: str) -> str:
    return re.sub(r"  - name: mistralrs\.(?!recorded).*\n    rules:\n", "", text)


# What is broken, for each check.
CONTROLS = [
    ("alert-name-camelcase", swap("alert: MistralrsDown", "alert: mistralrs_down"), "mistralrs_down"),
    ("alert-name-length", swap("alert: MistralrsDown", f"alert: MistralrsDown{'Down' * 7}"), "too long"),
    ("alert-severity-rule", of("MistralrsDown", "severity: critical", "severity: page"), "page"),
    ("alert-severity-rule", of("MistralrsDown", "severity: critical", "team: a"), "None"),
    ("alert-description-missing-rule", of("MistralrsDown", "description:", "describe:"), "MistralrsDown"),
    ("alert-description-templating", of("MistralrsDown", r"\{\{[^}]*\}\}", "it"), "no template"),
    ("alert-summary-missing-rule", of("MistralrsDown", "summary:", "summry:"), "has no summary"),
    ("alert-summary-templating", of("MistralrsDown", "is down", "is {{ $value }}"), "a template"),
    ("alert-summary-style", of("MistralrsDown", "is down\\.", "is down"), "no sentence"),
    ("alert-summary-style", of("MistralrsDown", 'summary: "A', 'summary: "a'), "no sentence"),
    ("group-size", one_group, "mistralrs.recorded has"),
    ("group-name-length", swap("mistralrs.latency", f"mistralrs.{'latency' * 6}"), "too long"),
    ("alerts/absent", of("MistralrsTargetMissing", "for: 5m", "for: 1m"), "MistralrsTargetMissing"),
    ("alerts/comparison", of("MistralrsDown", " == 0", ""), "MistralrsDown has no condition"),
    ("alerts/comparison", of("MistralrsDown", " == 0", " == bool 0"), "MistralrsDown has no condition"),
    ("alerts/template", of("MistralrsDown", "severity: critical", 'severity: "{{ $value }}"'), "has a value"),
    ("alerts/template", of("MistralrsDown", r"labels\.instance", "labels.pod"), "no label pod"),
    ("promql/rate", of("MistralrsPreemptions", "5m\\]", "1m]"), "less than two scrapes"),
    (
        "promql/rate",
        of("MistralrsPreemptions", "paged_preemptions_total", "sequences_running"),
        "rate of the gauge",
    ),
    ("promql/counter", of("MistralrsRestarted", "resets", "max_over_time"), "tokens_processed_total"),
    (
        "promql/counter",
        of("MistralrsQueueBacklog", "sequences_waiting", "tokens_processed_total"),
        "tokens_processed_total",
    ),
    ("promql/series", of("MistralrsPreemptions", "preemptions_total", "preemption_total"), "nothing has"),
    ("promql/series", of("MistralrsHighErrorRate", "errors:ratio5m", "errors:ratio7m"), "ratio7m"),
    ("promql/series", of("MistralrsSequenceErrors", "reason=", "cause="), "no label cause"),
    (
        "promql/vector_matching",
        of("MistralrsHighErrorRate", "on \\(job, instance\\) ", "on (model) "),
        "lacks a label",
    ),
    (
        "promql/vector_matching",
        of("MistralrsHighErrorRate", "on \\(job, instance\\) sum by \\(job, instance\\)", "sum by (job)"),
        "differ",
    ),
    (
        "promql/fragile",
        of("MistralrsQueueBacklog", r'"mistralrs_sequences_waiting\S*', '"topk(3, up)'),
        "topk has other",
    ),
    ("promql/fragile", swap(r"\(sum by \(job, instance\)", "(sum without (model)"), "without"),
    ("promql/impossible", of("MistralrsHighErrorRate", "sum by \\(job,", "sum by (pod, job,"), "label pod"),
    (
        "promql/impossible",
        of("MistralrsSequenceErrors", "reason=", r'reason=\\"stop\\",reason='),
        "two values of reason",
    ),
    (
        "rule/duplicate",
        of("MistralrsTargetMissing", r"absent\((up\{.*?\})\)", r"\g<2> == 0"),
        "MistralrsTargetMissing is there twice",
    ),
    ("rule/duplicate", swap("alert: MistralrsTargetMissing", "alert: MistralrsDown"), "twice"),
]


def test_all_rules_are_read() -> None:
    groups = read_rules(rules_file())
    rules = [rule for each in groups.values() for rule in each]
    assert [rule.alert for rule in rules if rule.alert] == alert_names()
    assert len([rule for rule in rules if rule.record]) == rules_file().count("- record: ") > 3
    assert all(rule.expr and rule.tree for rule in rules)


def test_no_check_finds_anything() -> None:
    assert findings(rules_file()) == {}
    assert findings(rules_file({"job": "other", "error_ratio": 0.5})) == {}


@pytest.mark.parametrize(("name", "change", "expected"), CONTROLS)
def test_each_check_finds_what_it_is_for(name: str, change: Change, expected: str) -> None:
    found = findings(change(rules_file()))
    assert expected in "\n".join(found.get(name, ["nothing"])), found


def test_each_check_has_a_control() -> None:
    assert {name for name, _, _ in CONTROLS} == set(CHECKS)
    assert len(CHECKS) == 20

"""Expressions of PromQL: what they read, and which labels their results have."""

from __future__ import annotations

import pytest

from support.monitoring.promql import Binary, Literal, UnreadableQuery, labels_of, parse, parts, selectors

SERIES = {
    "requests_total": frozenset(["job", "instance", "status"]),
    "seconds_bucket": frozenset(["job", "instance", "le"]),
    "up": frozenset(["job", "instance"]),
}


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("up", ["job", "instance"]),
        ("rate(requests_total[5m])", ["job", "instance", "status"]),
        ("sum(requests_total)", []),
        ("sum by (job) (requests_total)", ["job"]),
        ("sum(requests_total) by (job)", ["job"]),
        ("sum without (job) (requests_total)", ["instance", "status"]),
        ("topk(3, requests_total)", ["job", "instance", "status"]),
        ("histogram_quantile(0.9, sum by (job, le) (rate(seconds_bucket[5m])))", ["job"]),
        ("1 - up", ["job", "instance"]),
        ("-up", ["job", "instance"]),
        ("up > bool 0", ["job", "instance"]),
        ("requests_total * on (job) up", ["job"]),
        ("requests_total * on (job) group_left up", ["job", "instance", "status"]),
        ("up / ignoring (status) requests_total", ["job", "instance"]),
        ("requests_total and on (job) up", ["job", "instance", "status"]),
        ("up or requests_total", ["job", "instance", "status"]),
        ('absent(up{job="a",instance=~"b"})', ["job"]),
        ("vector(1)", []),
        ("max_over_time(rate(requests_total[5m])[30m:1m])", ["job", "instance", "status"]),
        ("up offset 5m", ["job", "instance"]),
    ],
)
def test_labels_of_a_result_are_known(expression: str, labels: list[str]) -> None:
    assert labels_of(parse(expression), SERIES) == frozenset(labels)


@pytest.mark.parametrize("expression", ["1", "time()", "scalar(up)", '"text"'])
def test_a_number_has_no_labels(expression: str) -> None:
    assert labels_of(parse(expression), SERIES) is None


def test_operators_bind_by_precedence() -> None:
    tree = parse("1 + 2 * 3 ^ 4 ^ 5 > 6 or 7")
    assert isinstance(tree, Binary)
    assert tree.operator == "or"
    assert isinstance(tree.left, Binary)
    assert tree.left.operator == ">"
    order = [part.operator for part, _ in parts(tree.left) if isinstance(part, Binary)]
    assert order == [">", "+", "*", "^", "^"]
    left = parse("1 - 2 - 3")
    assert isinstance(left, Binary)
    assert left.right == Literal("3")


def test_selectors_have_matchers_and_ranges() -> None:
    found = selectors(parse("""rate(requests_total{status=~"5..",path!='a\\"b',}[$__rate_interval]) / up"""))
    assert [(one.name, one.range, len(one.matchers)) for one in found] == [
        ("requests_total", "$__rate_interval", 2),
        ("up", "", 0),
    ]
    status = found[0].matcher("status")
    assert status is not None
    assert (status.operator, status.value) == ("=~", "5..")
    assert found[0].matcher("model") is None


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "sum(",
        "up)",
        "up up",
        "up{",
        "up{a=1}",
        "up{a}",
        "sum by job (up)",
        "sum by (job up)",
        "up +",
        "#",
    ],
)
def test_what_is_no_promql_is_one_line(expression: str) -> None:
    with pytest.raises(UnreadableQuery) as raised:
        parse(expression)
    assert "\n" not in str(raised.value)

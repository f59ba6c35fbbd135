"""The metrics that a version has to have."""

from __future__ import annotations

import pytest

from support.errors import NotSupported
from support.monitoring.exposition import read_page
from support.monitoring.metric_table import Metric, all_metrics, metrics_of

METRIC = Metric("seconds", "histogram", frozenset({"path"}))
PAGE = '# TYPE seconds histogram\nseconds_bucket{path="/",le="+Inf"} 1\nseconds_sum{path="/"} 1\n'


def test_later_versions_have_more() -> None:
    first, later = ({metric.name for metric in metrics_of("mistralrs", v)} for v in ("0.9.0", "0.9.2"))
    assert "http_requests_total" in first
    assert "mistralrs_time_to_first_token_seconds" in later - first
    assert first < later
    newest = {metric.name for metric in metrics_of("mistralrs", "0.9.5")}
    assert newest - later == {"mistralrs_sequences_capacity"}
    assert {metric.name for metric in metrics_of("mistralrs-reference", "0.9.5")} == newest


def test_those_of_optional_features_are_not_required() -> None:
    optional = {metric.name for metric in all_metrics().values() if metric.only_with}
    assert "mistralrs_kv_cache_blocks_used" in optional
    assert not optional & {metric.name for metric in metrics_of("mistralrs", "0.9.5")}


@pytest.mark.parametrize(("program", "version"), [("mistralrs", "0.8.1"), ("mistralrs", ""), ("other", "1")])
def test_of_what_is_not_listed_nothing_is_required(program: str, version: str) -> None:
    with pytest.raises(NotSupported, match=r"no metrics are listed for .*; set target_version"):
        metrics_of(program, version)


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (PAGE, []),
        ("# TYPE other gauge\nother 1\n", ["seconds is missing"]),
        (PAGE.replace(" histogram", " untyped"), ["seconds is missing"]),
        (
            PAGE.replace("{path=", '{model="m",path='),
            ["seconds has the labels model, path, not path"],
        ),
        ('# TYPE seconds gauge\nseconds{path="/"} 1\n', ["seconds is a gauge, not a histogram"]),
        ("# TYPE seconds histogram\nseconds_count 1\n", ["seconds has the labels none, not path"]),
    ],
)
def test_what_is_otherwise_than_documented_is_found(text: str, findings: list[str]) -> None:
    assert [*METRIC.findings(read_page(text))] == findings

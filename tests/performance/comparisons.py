"""Comparisons as they would be measured: two targets, the second one with a time to first token per round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from support.http.answer_stream import TokenKind
from support.performance.comparison import ComparedTarget, Comparison, RoundOfTarget
from support.performance.load.record import RequestRecord
from support.performance.target_facts import FILE, NAMES, TargetFacts
from tests.performance.loads import PLAN, request, result

FIRST = ComparedTarget("first", "http://127.0.0.1:1", "m")
SECOND = ComparedTarget("second", "http://127.0.0.1:2", "n", "ollama", key="top-secret")
FACTS = TargetFacts({**dict.fromkeys(NAMES, "-"), FILE: "model.gguf"}, "a" * 64)


def load(
    target: ComparedTarget,
    requests: Sequence[RequestRecord],
    text: str = "same",
    *,
    others: float = 0.0,
    **quality: float,
) -> RoundOfTarget:
    measured = result(*requests, plan=target.plan(PLAN), **quality)
    events = {one.number: [(0, TokenKind.CONTENT, text)] for one in requests}
    return RoundOfTarget(target, replace(measured, events=events), 50_000_000, others)


def requests(first: float = 100.0, **changes: Any) -> list[RequestRecord]:
    return [request(number, sent=200.0 * number, first=first, **changes) for number in range(8)]


def comparison(
    seconds: Sequence[float], *, facts: tuple[TargetFacts, TargetFacts] = (FACTS, FACTS), **second: Any
) -> Comparison:
    """Of a first target with 100 ms to the first token, and these times of the second one in each round."""
    text = second.pop("text", "same")
    rounds = [(load(FIRST, requests()), load(SECOND, requests(time, **second), text)) for time in seconds]
    return Comparison((FIRST, SECOND), facts, rounds)

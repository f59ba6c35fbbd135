"""What a scenario requires of a comparison: equal servers, the same work; what is not judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import CheckFailed, NotSupported
from support.performance.compared_servers import RATIO_OF_ONE, SAME_WORK, ComparedServers
from support.performance.comparison import Comparison
from support.performance.load.record import RequestRecord
from support.runner.requirements import NEEDS_LLAMA_CPP_PYTHON, SECOND_MISTRALRS, Requirements
from support.servers.discovery import UrlTarget
from support.settings import Settings
from tests.performance.comparisons import FACTS, FIRST, SECOND, comparison, load, requests
from tests.performance.loads import failed, timed_out

EQUAL, SLOWER, FASTER = comparison([100.0] * 4), comparison([150.0] * 4), comparison([60.0] * 4)
WIDE = comparison([60.0, 170.0, 100.0, 90.0])


def _failing(one: RequestRecord, others: float = 0.0) -> Comparison:
    """With this request of the second target, while other programs had such a share of the CPU."""
    rounds = [(load(FIRST, requests()), load(SECOND, [*requests(), one], others=others))]
    return Comparison((FIRST, SECOND), (FACTS, FACTS), rounds)


BROKEN, TIMED_OUT = _failing(failed(9)), _failing(timed_out(9), others=0.6)
# Each round: events came with one read, and later than a tenth of an answer.
LATE = Comparison(
    (FIRST, SECOND),
    (FACTS, FACTS),
    [tuple(load(one, requests(), coalesced=0.5, lag_p99_us=90_000.0) for one in (FIRST, SECOND))] * 4,
)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((EQUAL,), RATIO_OF_ONE),
        # The second comparison has not confirmed it, or has found the opposite: it was chance.
        ((SLOWER, EQUAL), RATIO_OF_ONE),
        ((SLOWER,), SAME_WORK),
        ((WIDE,), SAME_WORK),
    ],
)
def test_what_is_as_expected_passes(found: tuple[Comparison, ...], expected: str) -> None:
    servers = ComparedServers(found)
    servers.require(expected)
    assert "time to first token p50" in servers.text()
    assert servers.csv().startswith("round,position,target")


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (
            (SLOWER, SLOWER),
            RATIO_OF_ONE,
            r"time to first token p50: the ratio of equal servers is 0\.667 .*then",
        ),
        ((BROKEN,), RATIO_OF_ONE, "1 of 9 requests failed"),
        ((BROKEN,), SAME_WORK, "1 of 9 requests failed"),
        # A closed connection is no matter of the CPU. Nor is a time-out that other programs have not caused.
        ((_failing(failed(9), others=0.6),), SAME_WORK, "1 of 9 requests failed"),
        ((_failing(timed_out(9), others=0.2),), SAME_WORK, "1 of 9 requests failed: timeout"),
        ((comparison([100.0] * 4, text="sane"),), RATIO_OF_ONE, "two different workloads: .*another text"),
        ((EQUAL,), "peace", "no result of a comparison 'peace'"),
    ],
)
def test_what_is_certainly_wrong_fails(found: tuple[Comparison, ...], expected: str, words: str) -> None:
    with pytest.raises(CheckFailed, match=words):
        ComparedServers(found).require(expected)


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        ((WIDE,), RATIO_OF_ONE, "not enough evidence: time to first token p50"),
        ((SLOWER, FASTER), RATIO_OF_ONE, "not enough evidence"),
        ((comparison([100.0, 100.0]),), RATIO_OF_ONE, "2 valid rounds of 2, 3 are needed; there was"),
        ((LATE,), SAME_WORK, "0 valid rounds of 4, 3 are needed; first: .* the client was late"),
        (
            (TIMED_OUT,),
            SAME_WORK,
            "not judged, other programs had 60% of the CPU: second .*: 1 of 9",
        ),
        # A target that stalls: there was no time for a round of both.
        ((comparison([]),), SAME_WORK, "not enough evidence: no round was measured"),
        ((comparison([]),), RATIO_OF_ONE, "not enough evidence: no round was measured"),
        ((comparison([100.0] * 4, prompt_tokens=31),), SAME_WORK, "two different workloads: round 1, tokens"),
    ],
)
def test_what_cannot_be_judged_is_skipped(found: tuple[Comparison, ...], expected: str, words: str) -> None:
    with pytest.raises(NotSupported, match=words):
        ComparedServers(found).require(expected)


def test_another_version_has_to_be_named() -> None:
    """Else its scenario is skipped, with what to do."""
    target = UrlTarget("http://127.0.0.1:1", (), "a test")
    for compared, expected in (
        ("ollama", "requires another mistral.rs; name it with -D"),
        ("reference", "None"),
    ):
        settings = Settings.model_validate({"acceptance_compare": compared})
        assert str(Requirements(settings, target).missing([SECOND_MISTRALRS])).startswith(expected)


def test_llama_cpp_python_has_to_be_installed(tmp_path: Path) -> None:
    target = UrlTarget("http://127.0.0.1:1", (), "a test")
    settings = Settings.model_validate({"acceptance_cache_dir": tmp_path})
    expected = "requires llama-cpp-python; `acceptance get llama-cpp-python` compiles it"
    assert Requirements(settings, target).missing([NEEDS_LLAMA_CPP_PYTHON]) == expected

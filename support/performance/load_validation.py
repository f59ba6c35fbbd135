"""The figures of a load once more, by another implementation, from the file that is left of it.

It shares no code with the first one: the file is read with the standard library, percentiles are those of
NumPy. A report that contradicts its own records is a defect of this suite, never of the target.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

# Of two floating-point results of the same formula.
_TOLERANCE = 1e-6
_LEVELS = (50, 90, 95, 99)


def recomputed(file: Path) -> dict[str, float]:
    """By name, as `figures` of a summary has them: counts, percentiles in milliseconds, rates per second."""
    rows = _rows(file)
    measured = [row for row in rows if row["phase"] == "measured"]
    counted = [row for row in measured if row["failure"] != "cancelled by the client"]
    good = [row for row in counted if not row["failure"]]
    found: dict[str, float] = {"requests": len(counted), "failed": len(counted) - len(good)}
    for name, values in _latencies(good).items():
        if values:
            ranks = np.percentile(np.array(values), _LEVELS, method="inverted_cdf") / 1e6
            found |= {f"{name} p{level}": float(value) for level, value in zip(_LEVELS, ranks, strict=True)}
    return found | _rates(rows, counted) | _of_whole_run(rows)


def recomputed_tenths(file: Path) -> dict[str, float]:
    """By name, as `figures` of a load over time has them: what was sent and in flight in each tenth."""
    rows = _rows(file)
    measured = [
        row for row in rows if row["phase"] == "measured" and row["failure"] != "cancelled by the client"
    ]
    counted = np.array([int(row["sent_ns"]) for row in measured], dtype=np.int64)
    edges = counted.min() + (counted.max() - counted.min()) * np.arange(11) // 10
    sent, ended = (
        np.array([int(row[name]) for row in rows], dtype=np.int64) for name in ("sent_ns", "end_ns")
    )
    issued = np.sort(sent[(sent >= edges[0]) & (sent <= edges[-1])])
    seconds = np.diff(edges) / 1e9
    rates = np.diff(np.interp(edges - edges[0], issued - edges[0], np.arange(len(issued)))) / seconds
    found = {}
    for number, (since, until) in enumerate(pairwise(edges), 1):
        overlap = np.clip(ended, since, until) - np.clip(sent, since, until)
        found[f"tenth {number}: requests per second"] = float(rates[number - 1])
        found[f"tenth {number}: requests in flight"] = float(overlap.sum() / (until - since))
    return found


def contradictions(
    figures: Mapping[str, float], file: Path, by: Callable[[Path], Mapping[str, float]] = recomputed
) -> Iterator[str]:
    """What is otherwise than the records have it, each in a line; none for a report that is right."""
    other = by(file)
    for name in sorted(figures.keys() | other.keys()):
        one, again = figures.get(name, math.nan), other.get(name, math.nan)
        if not math.isclose(one, again, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            yield f"{name} is {one:.6g}, and {again:.6g} by {file.name}"


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _latencies(good: list[dict[str, str]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {
        "time to first token": [],
        "time to first token from schedule": [],
        "time to first output token": [],
        "inter-token latency": [],
        "end-to-end latency": [],
        "end-to-end latency to the end": [],
        "event gap": [],
    }
    for row in good:
        sent, first, last = (int(row[name]) for name in ("sent_ns", "first_token_ns", "last_token_ns"))
        times["time to first token"].append(first - sent)
        times["time to first token from schedule"].append(first - int(row["scheduled_ns"]))
        times["end-to-end latency"].append(last - sent)
        times["end-to-end latency to the end"].append(int(row["end_ns"]) - sent)
        times["event gap"] += np.diff(np.array(row["event_times_ns"].split(), dtype=np.int64)).tolist()
        if output := int(row["first_answer_ns"]):
            times["time to first output token"].append(output - sent)
        if int(row["output_tokens"]) > 1:
            times["inter-token latency"].append((last - first) / (int(row["output_tokens"]) - 1))
    return times


def _rates(rows: list[dict[str, str]], counted: list[dict[str, str]]) -> dict[str, float]:
    sent = [int(row["sent_ns"]) for row in counted]
    seconds = (max(sent) - min(sent)) / 1e9 if sent else 0.0
    if not seconds:
        return {"output tokens per second": 0.0, "requests per second": 0.0}
    tokens = ended = 0.0
    for row in rows:
        if row["failure"]:
            continue
        events = np.array(row["event_times_ns"].split(), dtype=np.int64)
        inside = ((events > min(sent)) & (events <= max(sent))).mean()
        tokens += float(inside) * max(0, int(row["output_tokens"]))
        ended += min(sent) < int(row["end_ns"]) <= max(sent)
    return {"output tokens per second": tokens / seconds, "requests per second": ended / seconds}


def _of_whole_run(rows: list[dict[str, str]]) -> dict[str, float]:
    """Of all phases, from the first sending to the last end."""
    counted = [row for row in rows if row["failure"] != "cancelled by the client"]
    good = [row for row in counted if not row["failure"]]
    found: dict[str, float] = {"requests": len(counted), "failed": len(counted) - len(good)}
    if good:
        times = np.array([int(row["first_token_ns"]) - int(row["sent_ns"]) for row in good])
        for level in (50, 95):
            rank = np.percentile(times, level, method="inverted_cdf") / 1e6
            found[f"time to first token p{level}"] = float(rank)
    span = np.array([[int(row["sent_ns"]), int(row["end_ns"])] for row in counted], dtype=np.int64)
    seconds = float(span[:, 1].max() - span[:, 0].min()) / 1e9 if counted else 0.0
    tokens = sum(max(0, int(row["output_tokens"])) for row in good)
    found["output tokens per second"] = tokens / seconds if seconds else 0.0
    return {f"whole run: {name}": value for name, value in found.items()}

"""What the bundled gateway costs: the same streamed answer direct and through it, in turns.

The routes take turns, so that the load of the machine affects both. The CPU time of the
gateway's process is more precise than the clock where other programs run beside it; it has one thread.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psutil

from support.programs.smollm2 import has_smollm2, smollm2
from support.servers.bundled_gateway import start_gateway
from support.servers.command_line import ModelArguments
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import start_server
from support.suite import RunContext
from tools.measured_targets import suites

# Both within 90 s on two targets, also on a slow machine.
PAIRS = 60
SECONDS = 38.0
# The longest scripted answer has fewer; a trained model talks on to its limit.
SCRIPTED_TOKENS, TRAINED_TOKENS = 1000, 48
_LAST_CHUNK = b"\r\n0\r\n\r\n"

Row = tuple[str, str, str]


@dataclass(frozen=True)
class Route:
    """The route of a stream, and its request."""

    url: str
    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Taken:
    """One stream: seconds to its first piece and to its end, and of the gateway's CPU; its pieces."""

    first: float
    whole: float
    cpu: float
    pieces: int


def gateway() -> list[Row]:
    """On the reference server, and on the real server where there is one."""
    return [row for suite in suites("reference", "real") for row in _on(suite)]


def _on(suite: RunContext) -> list[Row]:
    """With a model of thousands of tokens a second, and with a small trained one if it is installed."""
    longest = max((row for row in suite.script.rows if not row.loop), key=lambda row: len(row.answer))
    rows = _through(
        suite, "scripted model", suite.scripted(), f"Tell me about the {longest.keyword}", SCRIPTED_TOKENS
    )
    if has_smollm2(suite.settings.acceptance_cache_dir):
        trained = arguments_of(smollm2(suite.settings.acceptance_cache_dir))
        rows += _through(suite, "SmolLM2", trained, "Tell me about the sea.", TRAINED_TOKENS)
    return rows


def _through(suite: RunContext, what: str, model: ModelArguments, words: str, tokens: int) -> list[Row]:
    question = {"messages": [{"role": "user", "content": words}], "stream": True}
    openai = question | {"model": "default", "temperature": 0, "max_tokens": tokens}
    ollama = question | {"model": "scripted", "options": {"temperature": 0, "num_predict": tokens}}
    target = start_server(suite.command, model, suite.settings)
    try:
        front = start_gateway(target.url, suite.settings, {"scripted": model.directory / (model.file or "")})
        try:
            taken = _in_turns(
                {
                    "direct": Route(target.url, "/v1/chat/completions", openai),
                    "/v1": Route(front.url, "/v1/chat/completions", openai | {"model": "scripted"}),
                    "/api/chat": Route(front.url, "/api/chat", ollama),
                },
                psutil.Process(front.process.pid),
            )
        finally:
            front.stop()
    finally:
        target.stop()
    alone = taken.pop("direct")
    return [_row(f"gateway {name}, {what}, {suite.target.label}", alone, taken[name]) for name in taken]


def _row(what: str, alone: list[Taken], through: list[Taken]) -> Row:
    pairs = list(zip(alone, through, strict=True))
    added = median(there.first - here.first for here, there in pairs) * 1e3
    ratio = median(there.whole / here.whole for here, there in pairs)
    best = min(there.whole for there in through) / min(here.whole for here in alone)
    cpu = median(each.cpu / each.pieces for each in through) * 1e6
    whole = median(each.whole for each in alone) * 1e3
    return (
        f"{what}: added to the first piece; stream to direct stream",
        "2 ms; 1.05",
        f"{added:+.2f} ms; {ratio:.3f} of {whole:.1f} ms (medians of {len(pairs)} pairs; the best ones "
        f"{best:.3f}); {cpu:.1f} microseconds of CPU for a token",
    )


def _in_turns(routes: Mapping[str, Route], process: psutil.Process) -> dict[str, list[Taken]]:
    """Each route again and again, one after the other; the first ones do not count."""
    for route in routes.values():
        for _ in range(3):
            _streamed(route, process)
    taken: dict[str, list[Taken]] = {name: [] for name in routes}
    names = list(routes)
    ends = time.monotonic() + SECONDS
    while len(taken[names[0]]) < PAIRS and time.monotonic() < ends:
        for name in names:
            taken[name].append(_streamed(routes[name], process))
        names.append(names.pop(0))
    return taken


def _streamed(route: Route, process: psutil.Process) -> Taken:
    """One stream on a new connection that is there already, read by bare `recv`: all routes cost the same.

    Raises RuntimeError when it was refused or broke.
    """
    where, body = urlsplit(route.url), json.dumps(route.body).encode()
    request = f"POST {route.path} HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-type: application/json\r\n"
    with socket.create_connection((where.hostname or "", where.port or 80), timeout=60) as connection:
        parts: list[bytes] = []
        spent, tail, first = _cpu(process), b"", 0.0
        started = time.perf_counter()
        connection.sendall(request.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        while not tail.endswith(_LAST_CHUNK):
            part = connection.recv(65536)
            if not part:
                raise RuntimeError(f"{route.path} broke after {parts[-1:]}")
            parts.append(part)
            tail = (tail + part)[-len(_LAST_CHUNK) :]
            if not first and (len(parts) > 1 or not part.endswith(b"\r\n\r\n")):
                first = time.perf_counter()
        ended = time.perf_counter()
    data = b"".join(parts)
    if not data.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"{route.path} returned {data[:500]!r}")
    pieces = data.count(b"data: {") or data.count(b"}\n")
    return Taken(first - started, ended - started, _cpu(process) - spent, pieces)


def _cpu(process: psutil.Process) -> float:
    """Seconds of CPU so far. Linux has them in nanoseconds; other systems in ticks of 10 ms."""
    exact = Path(f"/proc/{process.pid}/schedstat")
    if exact.exists():
        return int(exact.read_text().split()[0]) / 1e9
    times = process.cpu_times()
    return float(times.user + times.system)

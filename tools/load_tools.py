"""The errors and the cost of other load generators, on the server that the suite's own one is measured with.

guidellm and aiperf are installed in environments of their own on first use, which takes minutes and 6.5 GB.
Each load is sent twice, once four times as long, so that the start of a tool is no part of its CPU time.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import httpx

from support.errors import ProgramUnavailable
from support.models.store import ModelStore
from support.performance.ground_truth.server import SentTimes, synthetic_server
from support.performance.load.plan import LoadPlan
from support.performance.load.program import run_load
from support.performance.load.prompts import Prompts
from support.performance.load_figures import FIRST_TOKEN, PER_TOKEN, LoadFigures
from support.performance.percentiles import nearest_rank
from support.programs.install import SCRIPTS_FOLDER, find_uv, install, replacing
from support.programs.launcher import free_port
from support.programs.output_limit import read_output
from support.programs.process import CommandTimeout, ManagedProcess, run_command
from support.settings import default_cache
from support.waiting import wait_until
from tools.load_calibration import ANSWER, ROUNDS, Row, sent

STREAMS = (16, 64, 256)
LONGER = 4
INSTALL_SECONDS, RUN_SECONDS = 3600.0, 600.0
GUIDELLM, AIPERF = "guidellm==0.8.1", "aiperf==0.13.0"
PROMPT_WORDS = 16
NANOSECONDS = 1_000_000_000
MOCK_TTFT_MS, MOCK_ITL_MS, MOCK_TOKENS = 200, 40, 32


@dataclass(frozen=True)
class Measured:
    """Errors of times to first token in ns, of inter-token latencies as shares of them; CPU in ns."""

    ttft_ns: Sequence[float]
    itl: Sequence[float]
    tokens: int
    cpu_ns: int


def load_tools() -> list[Row]:
    """A row for each tool and number of streams; what cannot be measured is named on stderr."""
    rows: list[Row] = []
    with synthetic_server(default_cache()) as url:
        for streams in STREAMS:
            for name, send in (("this project", _own), ("guidellm", _guidellm), ("aiperf", _aiperf)):
                with _named_when_missing(f"{name}, {streams} streams"):
                    short, long = send(url, streams, ROUNDS), send(url, streams, LONGER * ROUNDS)
                    rows.append(_row(name, streams, short, long))
    with _named_when_missing("guidellm's mock server"):
        rows.append(_mock_server())
    return rows


@contextlib.contextmanager
def _named_when_missing(what: str) -> Iterator[None]:
    """The other rows are measured all the same."""
    try:
        yield
    except (ProgramUnavailable, CommandTimeout) as error:
        print(f"measure: {what}: {error}", file=sys.stderr)


def _mock_server() -> Row:
    """The suite's own generator on a server of others, which states only what its times are meant to be."""
    port = free_port()
    times = [
        "--ttft-ms",
        str(MOCK_TTFT_MS),
        "--itl-ms",
        str(MOCK_ITL_MS),
        "--output-tokens",
        str(MOCK_TOKENS),
    ]
    command = [_installed(GUIDELLM), "mock-server", "--host", "127.0.0.1", "--port", str(port), *times]
    with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as name:
        folder = Path(name)
        process = ManagedProcess([*command, "--model", "mock"], stdout=folder / "output")
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(
                "guidellm's mock server",
                lambda: _answers(url),
                timeout=INSTALL_SECONDS,
                alive=lambda: process.alive,
                seen=lambda: read_output(folder / "output")[-300:],
            )
            plan = LoadPlan(url, "mock", users=16, requests=64, output_tokens=MOCK_TOKENS)
            result = run_load(plan, folder)
        finally:
            process.stop()
    figures = LoadFigures.of(result)
    ttft, itl = (nearest_rank(figures.latencies(metric), 50) for metric in (FIRST_TOKEN, PER_TOKEN))
    return (
        "guidellm's mock server, 16 streams: TTFT p50; ITL p50",
        f"{MOCK_TTFT_MS} ms; {MOCK_ITL_MS} ms, and its own overhead",
        f"{ttft:.2f} ms; {itl:.2f} ms ({len(result.measured)} requests, {len(figures.failed)} failed)",
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _row(name: str, streams: int, short: Measured, long: Measured) -> Row:
    cpu = (long.cpu_ns - short.cpu_ns) / (long.tokens - short.tokens) / 1000
    ttft = [abs(error) / 1e6 for error in chain(short.ttft_ns, long.ttft_ns)]
    itl = [100 * error for error in chain(short.itl, long.itl)]
    return (
        f"{name}, {streams} streams: TTFT error p50 / p99; CPU per 1000 tokens; ITL error p99",
        "-",
        f"{nearest_rank(ttft, 50):.2f} / {nearest_rank(ttft, 99):.2f} ms; {cpu:.0f} ms; "
        f"{nearest_rank(itl, 99):.3f} % ({len(ttft)} requests, load average {os.getloadavg()[0]:.1f})",
    )


def _own(url: str, streams: int, rounds: int) -> Measured:
    from support.performance.ground_truth.agreement import Agreement

    before = _cpu_of_children()
    result = sent(url, ANSWER, streams, spread=0.0, rounds=rounds)
    cpu = _cpu_of_children() - before
    agreement = Agreement.of(result)
    tokens = sum(len(record.event_times_ns) for record in result.records)
    return Measured(agreement.ttft_ns, agreement.itl, tokens, cpu)


def _guidellm(url: str, streams: int, rounds: int) -> Measured:
    program = _installed(GUIDELLM)
    with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as name:
        folder = Path(name)
        lines = (json.dumps({"prompt": prompt}) for prompt in _prompts(streams * rounds))
        (folder / "prompts.jsonl").write_text("\n".join(lines))
        spec = {
            "backend": {"kind": "openai_http", "target": url, "model": _model(), "validate_backend": False},
            "profile": {"kind": "concurrent", "streams": [streams]},
            "constraints": [{"kind": "max_requests", "count": streams * rounds}],
            "data": [{"kind": "json_file", "path": "prompts.jsonl"}],
            "outputs": [{"kind": "json", "path": "report.json"}],
        }
        (folder / "run.json").write_text(json.dumps({"spec": spec}))
        cpu = _run([program, "run", "--config", "run.json", "--disable-console"], folder)
        report = json.loads((folder / "report.json").read_text())
    requests = report["benchmarks"][0]["requests"]["successful"]
    found = []
    for request in requests:
        times = request["info"]["timings"]
        first = times["first_token_iteration"] - times["request_start"]
        span = times["last_token_iteration"] - times["first_token_iteration"]
        found.append((request["output"], first * NANOSECONDS, span * NANOSECONDS))
    return _measured(found, cpu)


def _aiperf(url: str, streams: int, rounds: int) -> Measured:
    program = _installed(AIPERF)
    with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as name:
        folder = Path(name)
        lines = (json.dumps({"text": prompt}) for prompt in _prompts(streams * rounds))
        (folder / "prompts.jsonl").write_text("\n".join(lines))
        command = [
            program,
            "profile",
            "--model",
            _model(),
            "--url",
            url,
            "--endpoint-type",
            "chat",
            "--streaming",
        ]
        # Any tokenizer: its counts are those of the server.
        command += ["--tokenizer", str(_tokenizer()), "--use-server-token-count"]
        command += ["--input-file", "prompts.jsonl", "--custom-dataset-type", "single_turn"]
        command += ["--concurrency", str(streams), "--request-count", str(streams * rounds)]
        command += ["--export-level", "raw", "--artifact-dir", "out", "--ui", "none"]
        # The server has neither, and a process of aiperf that waits for them ended a run.
        command += ["--no-server-metrics", "--no-gpu-telemetry"]
        cpu = _run(command, folder)
        records = [json.loads(line) for line in (folder / "out/profile_export_raw.jsonl").open()]
    return _measured(list(map(_aiperf_times, records)), cpu)


def _aiperf_times(record: dict[str, Any]) -> tuple[str, float, float]:
    text, times = "", []
    for response in record["responses"]:
        for packet in response["packets"]:
            choices = json.loads(packet["value"]).get("choices") if packet["value"] != "[DONE]" else None
            if part := choices and choices[0]["delta"].get("content"):
                text += part
                times.append(response["perf_ns"])
    return text, times[0] - record["start_perf_ns"], times[-1] - times[0]


def _measured(found: Sequence[tuple[str, float, float]], cpu: int) -> Measured:
    """Of texts, times to first token and times from the first token to the last one."""
    ttft, itl, tokens = [], [], 0
    for text, first, span in found:
        true = SentTimes.of(text)
        true_span = true.tokens[-1] - true.tokens[0]
        ttft.append(first - (true.tokens[0] - true.arrived))
        itl.append(abs(span - true_span) / true_span)
        tokens += len(true.tokens)
    return Measured(ttft, itl, tokens, cpu)


def _prompts(count: int) -> Iterator[str]:
    prompts = Prompts(None)
    return (prompts.next(PROMPT_WORDS) for _ in range(count))


def _model() -> str:
    """aiperf takes a name with commas for several models."""
    return ANSWER.model.replace(",", ";")


def _tokenizer() -> Path:
    return ModelStore(default_cache() / "models").embedding().path


def _run(command: Sequence[str], folder: Path) -> int:
    """CPU time in nanoseconds, of all of its processes."""
    before = _cpu_of_children()
    done = run_command(command, within=RUN_SECONDS, cwd=folder)
    if done.exit_code != 0:
        raise ProgramUnavailable(f"{Path(command[0]).name} has failed: {(done.stderr or done.stdout)[-500:]}")
    return _cpu_of_children() - before


def _cpu_of_children() -> int:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((used.ru_utime + used.ru_stime) * NANOSECONDS)


def _installed(package: str) -> str:
    """Its program. Raises `ProgramUnavailable`."""
    name, _, version = package.partition("==")
    folder = default_cache() / "load-tools" / name / version
    program = folder / SCRIPTS_FOLDER / name
    if not program.is_file():
        uv = find_uv()
        if uv is None:
            raise ProgramUnavailable("uv is not found: `python3 tools/setup.py` fetches it, or set UV")
        print(f"measure: installing {package}, which takes minutes and up to 6 GB", file=sys.stderr)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as new:
            made = [uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(new)]
            install(f"{package} could not be installed", made, timeout=INSTALL_SECONDS)
            command = [uv, "pip", "install", "--quiet", "--python", str(new), package]
            install(f"{package} could not be installed", command, timeout=INSTALL_SECONDS)
    return str(program)

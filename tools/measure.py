"""Measures the figures of docs/measurements.md again: `make measurements`, or with ARGS="fresh" too.

repeat   a repeated run on the reference server, and on the real server where there is one
workers  the same features by one worker and by two, and by the runner's own process
compare  `acceptance compare` of two finished runs
models   a scripted model compiled, written and verified, in each format
server   the reference server: time until it is ready, 32 streams at once
gateway  what the bundled gateway adds to a stream, compared with direct requests to the same server
aider    the scenarios with Aider by one worker and by two, and one simple edit from start to end
sizes    latency, throughput and memory by size of the model, quantisation and settings of the server
load     error and cost of the load generator, against a server that states when it sent each token
distributed  a load from two workers beside the same load from one process
tools    the same load by guidellm and aiperf, installed on first use (6.5 GB, 15 minutes)
power    what a comparison of two servers finds of differences that one of them was given (15 minutes)
package  from the wheel and empty caches to verdicts on a server at a URL, by uvx
natural  defects of the real servers that are found without the list of known issues (10 minutes)
fresh    a clean clone to a report, once with the caches filled and once with all of them empty (minutes)
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from support.chat.client import Answer, ChatClient
from support.http.client import ApiClient
from support.models.compiler import compile_script
from support.models.script import Script
from support.models.store import ModelStore
from support.servers.discovery import discover
from support.servers.mistralrs import start_server
from support.settings import load_settings
from support.suite import RunContext
from tools.comparison_power import power
from tools.distributed_load import distributed
from tools.gateway_cost import Row, gateway
from tools.load_calibration import load
from tools.load_tools import load_tools
from tools.measured_targets import targets
from tools.model_sizes import sizes
from tools.natural_faults import natural
from tools.package_start import package

PROJECT = Path(__file__).resolve().parents[1]
TIMES = 3
STREAMS = 32
# A scenario: a server, a file changed in the shortest format, a commit.
SIMPLE_EDIT = "Aider applies and commits a whole edit from mistral.rs"


def main() -> int:
    """Print a Markdown table; 0 unless a run that should be green was not."""
    names = sys.argv[1:] or ["repeat", "models", "server"]
    unknown = sorted(set(names) - set(MEASURES))
    if unknown:
        print(f"measure: unknown {unknown[0]}; choose of {', '.join(MEASURES)}", file=sys.stderr)
        return 2
    rows = [row for name in names for row in MEASURES[name]()]
    memory = psutil.virtual_memory().total / 1e9
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.platform()}\n")
    print("| what | wanted | measured |\n|---|---|---|")
    for what, wanted, measured in rows:
        print(f"| {what} | {wanted} | {measured} |")
    return 0


def repeat() -> list[Row]:
    """Wall time of repeated runs and of each capability, from their own reports."""
    rows = []
    for target, label in _targets():
        wanted = {"reference": "25 s", "real": "15 s"}[target]
        runs = [_run(target) for _ in range(TIMES)]
        rows.append((f"repeated run, {label}", wanted, _figures([wall for wall, _ in runs])))
        for capability, budget in (
            ("binary_health", "5 s"),
            ("model_loading", "30 s"),
            ("openai_api", "10 s"),
        ):
            times = [spent[capability] for _, spent in runs]
            rows.append((f"{capability.replace('_', ' ')}, {label}", budget, _figures(times)))
    return rows


def _targets() -> Iterator[tuple[str, str]]:
    """The reference server, and the real server where there is one, with their labels."""
    for name, target, _ in targets("reference", "real"):
        yield name, target.label


def workers() -> list[Row]:
    """Wall time by number of workers, without the HTML report, in turns: the load of the machine varies.

    The first run of each number is not counted: the later ones have recorded durations.
    """
    rows = []
    for target, label in _targets():
        walls: dict[int, list[float]] = {0: [], 1: [], 2: []}
        with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as kept:
            for turn in range(TIMES + 1):
                for jobs, times in walls.items():
                    words = ("--jobs", str(jobs), "-D", "acceptance_html=false")
                    wall, _ = _run(target, *words, reports=Path(kept) / str(jobs))
                    times += [wall] if turn else []
        names = {0: "no worker", 1: "one worker", 2: "two workers"}
        rows += [(f"{names[jobs]}, {label}", "-", _figures(times)) for jobs, times in walls.items()]
        added, ratio = median(walls[1]) - median(walls[0]), median(walls[2]) / median(walls[1])
        rows += [
            (f"what one worker adds, {label}", "1 s", f"{added:.2f} s"),
            (f"two workers to one, {label}", "0.6", f"{ratio:.2f}"),
        ]
    return rows


def _run(target: str, *words: str, reports: Path | None = None) -> tuple[float, dict[str, float]]:
    """Wall seconds of one run and the seconds of its capabilities; it has to be green."""
    wall, tests = _timed(target, *words, reports=reports)
    spent: dict[str, float] = {}
    for test in tests:
        spent[test["capability"]] = spent.get(test["capability"], 0.0) + test["duration"]
    return wall, spent


def _timed(target: str, *words: str, reports: Path | None = None) -> tuple[float, list[dict[str, Any]]]:
    """Wall seconds of one run, and the results of its scenarios; it has to be green."""
    with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as folder:
        command = [str(Path(sys.executable).with_name("acceptance")), "run", "--target", target]
        started = time.monotonic()
        subprocess.run(
            [*command, *words, "-D", f"acceptance_reports_dir={reports or folder}"],
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        wall = time.monotonic() - started
        report = json.loads((Path(reports or folder) / "report.json").read_text(encoding="utf-8"))
    return wall, report["tests"]


def compare() -> list[Row]:
    """Wall time of `acceptance compare` with two reports of binary and api."""
    times = []
    with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as folder:
        old, new, reports = (Path(folder) / name for name in ("old", "new", "reports"))
        _run("reference", "binary", "api", "-D", "acceptance_html=false", reports=old)
        shutil.copytree(old, new)
        command = [str(Path(sys.executable).with_name("acceptance")), "compare", str(old), str(new)]
        for _ in range(TIMES):
            started = time.monotonic()
            subprocess.run(
                [*command, "-D", f"acceptance_reports_dir={reports}"],
                cwd=PROJECT,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            times.append(time.monotonic() - started)
    return [("`acceptance compare` of two finished runs", "2 s", _figures(times))]


def models() -> list[Row]:
    """A scripted model from its script, in this process, numpy loaded; the real engine verifies it."""
    script = Script.standard()
    compile_script(script)
    compiled, written = [], []
    for number in range(TIMES):
        started = time.monotonic()
        compile_script(script)
        compiled.append(time.monotonic() - started)
        with tempfile.TemporaryDirectory(prefix="acceptance-measure-") as folder:
            store = ModelStore(Path(folder))
            started = time.monotonic()
            store.scripted(script, context=4096 - number)
            written.append(time.monotonic() - started)
    return [
        ("scripted model compiled and simulated", "2 s", _figures(compiled)),
        ("scripted model compiled, written as GGUF and verified", "-", _figures(written)),
    ]


def server() -> list[Row]:
    """The reference server: ready, and 32 streams at once, each with an answer of its own."""
    in_force = load_settings({"acceptance_target": "reference"})
    suite = RunContext(in_force, discover(in_force.settings))
    try:
        ready, together, wrong = [], [], 0
        rows = [row for row in suite.script.rows if not row.loop and row.keyword != "called"]
        expected = [rows[number % len(rows)] for number in range(STREAMS)]
        for _ in range(TIMES):
            started = time.monotonic()
            one = start_server(suite.command, suite.scripted(), in_force.settings)
            ready.append(time.monotonic() - started)
            try:

                def ask(marker: str, url: str = one.url) -> Answer:
                    client = ApiClient(url)
                    try:
                        question = {"role": "user", "content": f"Tell me about the {marker}"}
                        return ChatClient(client).chat([question], stream=True, max_tokens=1000)
                    finally:
                        client.close()

                with ThreadPoolExecutor(STREAMS) as users:
                    started = time.monotonic()
                    answers = list(users.map(ask, [row.keyword for row in expected]))
                    together.append(time.monotonic() - started)
                wrong += sum(a.text != row.answer for a, row in zip(answers, expected, strict=True))
            finally:
                one.stop()
    finally:
        suite.close()
    return [
        ("reference server ready", "2.5 s", _figures(ready)),
        (
            f"{STREAMS} streams at once, all complete",
            "no mixed answer",
            f"{_figures(together)}, {wrong} mixed",
        ),
    ]


def aider() -> list[Row]:
    """Wall time of the scenarios with Aider, and of a run of one simple edit, without the HTML report.

    The first run of one worker is not counted: it may install Aider and compile models. What is wanted is
    for 40 scenarios.
    """
    rows = []
    for target, label in _targets():
        plain = ("features/aider", "-D", "acceptance_html=false", "--jobs")
        _timed(target, *plain, "1")
        for jobs, name, wanted in ((1, "one worker", 150), (2, "two workers", 90)):
            wall, tests = _timed(target, *plain, str(jobs))
            number = sum(test["status"] != "skipped" for test in tests)
            rows.append(
                (
                    f"Aider: {number} scenarios, {name}, {label}",
                    f"{wanted * number / 40:.0f} s",
                    f"{wall:.0f} s ({40 * wall / number:.0f} s for 40)",
                )
            )
        edits = [_timed(target, *plain, "1", "--name", SIMPLE_EDIT)[0] for _ in range(TIMES)]
        rows.append((f"Aider: one simple edit, {label}", "6 s", _figures(edits)))
    return rows


def fresh() -> list[Row]:
    """A clean clone to a report, as a newcomer would."""
    return [
        ("clean clone to report, caches filled", "60 s", f"{_fresh(empty=False):.0f} s"),
        ("clean clone to report, all caches empty", "180 s", f"{_fresh(empty=True):.0f} s"),
    ]


def _fresh(*, empty: bool) -> float:
    folder = Path(tempfile.mkdtemp(prefix="acceptance-fresh-"))
    try:
        environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        if empty:
            caches = {"ACCEPTANCE_CACHE_DIR": "own", "UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip"}
            caches |= {"NPM_CONFIG_CACHE": "npm"}
            environment |= {name: str(folder / "cache" / part) for name, part in caches.items()}
        started = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", PROJECT, folder / "clone"], check=True)
        subprocess.run(
            ["make", "--no-print-directory", "acceptance", f"PYTHON={_python()}", "ARGS=--target reference"],
            cwd=folder / "clone",
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        assert (folder / "clone" / "reports" / "index.html").is_file(), "no report was made"
        return time.monotonic() - started
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _python() -> str:
    """The interpreter behind the environment: its own links would lead back into it."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


def _figures(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}, {len(seconds)} times)"


MEASURES: dict[str, Callable[[], list[Row]]] = {
    "repeat": repeat,
    "workers": workers,
    "compare": compare,
    "models": models,
    "server": server,
    "gateway": gateway,
    "aider": aider,
    "load": load,
    "distributed": distributed,
    "sizes": sizes,
    "tools": load_tools,
    "power": power,
    "package": package,
    "natural": natural,
    "fresh": fresh,
}

if __name__ == "__main__":
    sys.exit(main())

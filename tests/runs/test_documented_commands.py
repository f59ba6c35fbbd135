"""Each command line of the documents is run with its words, but those of ELSEWHERE and PYTHON_ELSEWHERE.

A command in a sentence is one when it is whole: `acceptance model`, not `acceptance load`.

`acceptance run` itself is the gate; what its documented forms select is in tests/style.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import click
import httpx
import pytest

from support.cli import main
from support.errors import ProgramUnavailable
from support.programs.launcher import free_port
from support.programs.prometheus import PROMETHEUS, promtool_of
from support.settings import default_cache, load_settings
from support.waiting import wait_until
from tests.runs.launching import ROOT, Launched, Run
from tests.style.test_style_commands import ACCEPTANCE, INDENTED, INLINE, documented
from tests.timeouts import PATIENCE

PROGRAMS = Path(sys.executable).parent
ACCEPTANCE_PROGRAM = str(PROGRAMS / "acceptance")
# What takes minutes or other machines: where its options are tested.
ELSEWHERE: Mapping[str, str] = {
    r"get \S+": "tests/programs: it builds or downloads a program",
    r"prove(?! --list)( .*)?": "tests/fault_injection/test_prove_command.py and test_blind_command.py",
    r"compare \S+ \S+": "tests/runner/test_upgrade.py: two programs",
    r"load .*--users 1,4,16 .*": "tests/performance/test_load_report.py: a sweep",
    r"load .*--against .*": "tests/performance/test_load_comparison.py: two servers",
    r"load .*--find-limit .*": "tests/performance/test_load_limit.py: loads until a limit is reached",
    r"load .*--workers .*": "tests/performance/test_distributed.py: three machines",
    r"load-worker .*": "tests/performance/test_distributed.py: three machines",
    r"accept ID .*": "here, with the values of docs/running.md",
    r"exporter": "here, with a target",
    r"history --accept N": "tests/performance/test_regression.py: it needs a load",
    r"run( .*)?": "the gate; tests/style/test_style_commands.py",
}
# The same for `python`.
PYTHON_ELSEWHERE: Mapping[str, str] = {
    r"tools/setup\.py.*": "the gate; tests/cli/test_setup.py",
    r"tools/measure\.py .*": "make measurements",
    r"tools/compare_speed\.py .*": "by hand: it measures two revisions for minutes",
    r"-m pytest .*": "make test",
    r"-m llama_cpp\.server .*": "by hand: another server, which is built for 40 minutes",
}
PYTHON = re.compile(r"^(?:\.venv/bin/)?python3? (.*\S)\s*$")


def is_whole(command: str) -> bool:
    """False for the mere name of a command that needs arguments."""
    name, *words = shlex.split(command)
    if name.startswith("-"):
        return True
    words = ["2" if word == "N" else word for word in words]
    with click.Context(main) as context:
        found = main.get_command(context, name)
        assert found is not None, command
        try:
            found.make_context(name, words, parent=context)
        except click.UsageError:
            return False
        except click.exceptions.Exit:
            return True
    return True


COMMANDS = sorted(
    {match[1].strip() for line in documented(INDENTED) if (match := ACCEPTANCE.match(line))}
    | {
        match[1].strip()
        for line in documented(INLINE)
        if (match := ACCEPTANCE.match(line)) and "{" not in line and is_whole(match[1])
    }
)
PYTHON_COMMANDS = [match[1] for line in documented(INDENTED) if (match := PYTHON.match(line))]
PYTHON_HERE = [
    command
    for command in PYTHON_COMMANDS
    if not any(re.fullmatch(pattern, command) for pattern in PYTHON_ELSEWHERE)
]
HERE = [command for command in COMMANDS if not any(re.fullmatch(pattern, command) for pattern in ELSEWHERE)]
# They go on until they are ended.
SERVING = ("probe", "exporter")
MANIFEST = re.compile(r"\b[0-9a-f]{64}\b")


class Place:
    """A folder with the reports of a run, and the reference server with the scripted model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A setting that names a file needs it; in the checkout there may be none.
        (folder / "accepted.toml").touch()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def run(self, *words: str, cwd: Path | None = None) -> Run:
        """A command, until its end. `cwd`: the folder of this place."""
        return Launched(self.folder, [ACCEPTANCE_PROGRAM, *words], self._environment, cwd).end()

    def start(self, program: str, *words: str) -> Launched:
        """A command that does not end by itself, in a folder of its own: `run` ends all in its own."""
        folder = self.folder.with_name(f"{self.folder.name}-{words[0]}")
        return Launched(folder, [str(PROGRAMS / program), *words], self._environment)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "ACCEPTANCE_CACHE_DIR": str(default_cache()),
            "ACCEPTANCE_REPORTS_DIR": str(self.folder / "reports"),
            "ACCEPTANCE_ACCEPTED": str(self.folder / "accepted.toml"),
            # Not the history of the user's own loads, which is in the cache.
            "PERFORMANCE_HISTORY": str(self.folder / "history.jsonl"),
        }

    @cached_property
    def certificate(self) -> Run:
        """The documented command has written it."""
        (words,) = (command for command in HERE if command.startswith("certify "))
        return self.run(*shlex.split(words))

    def words(self, command: str) -> list[str]:
        """Of a documented command, with values for those that stand for something of the reader."""
        command = re.sub(r"http://HOST:PORT\b|(?<=--target )URL\b", self.url, command)
        command = re.sub(r"(?<=--target )http://127\.0\.0\.1:\d+", self.url, command)
        if command.split()[0] in SERVING and "--listen" not in command:
            command += " --listen 127.0.0.1:0"
        command = re.sub(r"(?<=--listen )127\.0\.0\.1:\d+", f"127.0.0.1:{free_port()}", command)
        if "SHA256" in command:
            (manifest,) = MANIFEST.findall(self.certificate.stdout)
            command = command.replace("SHA256", manifest)
        # Fewer requests than a percentile needs: what is measured is not looked at here.
        command = re.sub(r"(?<=--requests )\d+", "12", command)
        return [{"NAME": "default", "FOLDER": "load"}.get(word, word) for word in shlex.split(command)]

    def serve(self) -> Launched:
        """As the README has it for mistralrs."""
        model = Path(self.run("model").stdout.strip())
        words = ("serve", "--port", str(self._port), "--format", "gguf", "-m", str(model.parent))
        server = self.start("mistralrs-reference", *words, "-f", model.name)
        wait_until_served(f"{self.url}/health", server)
        return server


def wait_until_served(url: str, launched: Launched) -> None:
    """Raises `WaitTimeout` with the end of its errors, also when it has ended."""

    def is_served() -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=PATIENCE).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(
        f"a response of {url}",
        is_served,
        timeout=PATIENCE,
        alive=lambda: launched.process.poll() is None,
        seen=lambda: (launched.folder / "stderr").read_text(errors="replace")[-500:],
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("place"))
    server = place.serve()
    try:
        words = ("run", "--case", "openai.chat.body.empty", "--target", place.url, "--report", "json")
        done = place.run(*words, cwd=ROOT)
        assert done.exit_code == 0, done.output
        yield place
    finally:
        server.process.terminate()
        server.end()


@pytest.mark.parametrize("command", [one for one in HERE if one.split()[0] not in SERVING])
def test_a_command_does_what_the_document_has(place: Place, command: str) -> None:
    words = place.words(command)
    # What reads the features is started in the checkout.
    here = ROOT if words[0] == "accept" else None
    done = place.certificate if words[0] == "certify" else place.run(*words, cwd=here)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip(), done.output
    assert (done.processes, done.temporary) == ((), ())


@pytest.mark.parametrize("command", [one for one in HERE if one.split()[0] in SERVING])
def test_a_command_serves_metrics_until_it_is_ended(place: Place, command: str) -> None:
    words = place.words(command)
    listening = f"http://{words[words.index('--listen') + 1]}/metrics"
    running = place.start("acceptance", *words)
    try:
        wait_until_served(listening, running)
    finally:
        running.process.terminate()
        done = running.end()
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("command", PYTHON_HERE)
def test_a_program_of_python_does_what_the_document_has(place: Place, command: str) -> None:
    report = str(place.folder / "reports" / "report.json")
    table = place.folder / "map.tsv"
    table.touch()
    values = {"OLD/report.json": report, "NEW/report.json": report, "MAP.tsv": str(table)}
    command = re.sub(r"(?<=--url )http://127\.0\.0\.1:\d+", place.url, command)
    words = [values.get(word, word) for word in shlex.split(command)]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    # Of a script of a finding: the defect is not there.
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_the_rules_are_right_by_promtool(place: Place) -> None:
    try:
        prometheus = PROMETHEUS.get(load_settings().settings.acceptance_cache_dir, print)
    except ProgramUnavailable as missing:
        pytest.skip(str(missing))
    (command,) = (one for one in HERE if one.startswith("rules "))
    (check,) = (line for line in documented(INDENTED) if line.startswith("promtool "))
    _, *words = shlex.split(check)
    (place.folder / words[-1]).write_text(place.run(*place.words(command)).stdout)
    done = subprocess.run(
        [promtool_of(prometheus.path), *words],
        cwd=place.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_what_is_run_elsewhere_is_documented_and_tested_there(pattern: str) -> None:
    assert [command for command in COMMANDS if re.fullmatch(pattern, command)]
    for name in re.findall(r"tests/\S+?(?=[:;,\s]|$)|\btest_\w+\.py", ELSEWHERE[pattern]):
        found = name if "/" in name else f"tests/fault_injection/{name}"
        assert (ROOT / found).exists(), found


@pytest.mark.parametrize("pattern", PYTHON_ELSEWHERE)
def test_what_python_runs_elsewhere_is_documented(pattern: str) -> None:
    assert [command for command in PYTHON_COMMANDS if re.fullmatch(pattern, command)]


def test_there_are_commands_to_run() -> None:
    assert len(HERE) > 10
    assert {"model", "settings", "history", "--version"} <= set(HERE)
    assert len(PYTHON_HERE) >= 2

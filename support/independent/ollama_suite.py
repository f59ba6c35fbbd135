"""Ollama's integration tests on a running server: `OLLAMA_TEST_EXISTING`, as their README describes.

The tests look for words in the answers; the server has the scripted model with such answers under the names
of their models, so that none is pulled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.independent.results import Rule, SuiteBroken, TestOutcome
from support.programs.child_environment import child_environment
from support.programs.install import InstalledProgram
from support.programs.process import run_command

LIST_SECONDS = 30.0
# Go's testing: all passed, some failed.
FINISHED = (0, 1)
STATUSES: Mapping[str, Any] = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
_RESULT = re.compile(r"^\s*--- (PASS|FAIL|SKIP): (\S+) \(")
# What names the test that the lines below are of.
_STARTS = ("=== RUN", "=== NAME", "=== CONT")
# Lines of a test's own messages.
_MESSAGE = re.compile(r"^\s+(\S+_test\.go:\d+: .*)$")
_PANIC = re.compile(r"^panic: (.*)$", re.MULTILINE)


def run(
    program: InstalledProgram,
    part: Mapping[str, Any],
    rules: Sequence[Rule],
    url: str,
    folder: Path,
    within: float,
) -> list[TestOutcome]:
    """Run the tests of a part on the server at a URL, one after the other.

    Raises `SuiteBroken` when they do not get to their end, `CommandTimeout` after `within` seconds.
    """
    environment = child_environment(
        folder,
        OLLAMA_HOST=url.removeprefix("http://"),
        OLLAMA_TEST_EXISTING="1",
        OLLAMA_TEST_DEFAULT_MODEL=part["model"],
    )
    listed = run_command([program.path, "-test.list", "."], within=LIST_SECONDS, env=environment)
    names = [name for name in listed.stdout.split() if name.startswith("Test")]
    if not names:
        raise SuiteBroken(f"{program.name} lists no test: {listed.describe()}")
    wanted = part.get("tests", names)
    skipped = [name for name in wanted if any(rule.tests.search(name) for rule in rules)]
    chosen = [name for name in wanted if name not in skipped]
    if unknown := [name for name in chosen if name.partition("/")[0] not in names]:
        raise SuiteBroken(f"{program.name} has no test {', '.join(unknown)}")
    # Below two minutes before the limit some tests would skip themselves.
    limit = f"-test.timeout={within:.0f}s"
    done = run_command(
        [program.path, "-test.v", limit, "-test.run", "|".join(map(run_pattern, chosen))],
        within=within + LIST_SECONDS,
        env=environment,
        cwd=program.path.parent,
    )
    (folder / "output.txt").write_text(f"{done.stdout}\n--- standard error\n{done.stderr}")
    if done.exit_code not in FINISHED and not _PANIC.search(done.stderr + done.stdout):
        raise SuiteBroken(f"{program.name} did not run: {done.describe()}")
    found = read_verbose(done.stdout.splitlines(), chosen)
    if panic := _PANIC.search(done.stderr + done.stdout):
        found = [
            TestOutcome(one.name, "failed", f"panic: {panic[1]}") if one.message == NOT_FINISHED else one
            for one in found
        ]
    return [*found, *(TestOutcome(name, "skipped") for name in skipped)]


NOT_FINISHED = "it has no result"


def run_pattern(name: str) -> str:
    """One test, or subtest, in the form of `-test.run`: a regular expression for each level."""
    return "/".join(f"^{re.escape(level)}$" for level in name.split("/"))


def read_verbose(lines: Iterable[str], chosen: Sequence[str]) -> list[TestOutcome]:
    """The results in the output of `go test -v`, subtests included; a chosen test without any has failed.

    A test with subtests counts only when it failed itself: they are its results.
    """
    results: dict[str, tuple[str, list[str]]] = {}
    messages: list[str] = []
    for line in lines:
        if found := _RESULT.match(line):
            messages = results.get(found[2], ("", []))[1]
            results[found[2]] = (found[1], messages)
        elif line.startswith(_STARTS):
            messages = results.setdefault(line.split()[-1], ("", []))[1]
        elif found := _MESSAGE.match(line):
            messages.append(found[1])
    outcomes = []
    for name, (status, said) in results.items():
        below = [other for other in results if other.startswith(f"{name}/")]
        if (
            status
            and below
            and (status != "FAIL" or any(results[other][0] == "FAIL" for other in below))
            and not said
        ):
            continue
        outcomes.append(
            TestOutcome(name, STATUSES[status], "; ".join(said), tuple(said))
            if status
            else TestOutcome(name, "failed", NOT_FINISHED)
        )
    missing = [name for name in chosen if name not in results]
    return [*outcomes, *(TestOutcome(name, "failed", NOT_FINISHED) for name in missing)]

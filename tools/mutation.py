"""Changes the suite's own code, one place at a time, and expects a test to fail: `make mutation`.

mutmut makes the changes and runs the tests that reach them, in a copy of the checkout; `[tool.mutmut]` of
pyproject.toml names the modules and the tests. A change that no test finds is a survivor:
tests/surviving_mutants.toml has those that change no verdict, each with its reason. Any other one, and an
entry that fits none, is printed, and the exit code is 1.

`--limit SECONDS`: of the whole, 1800 by default; what was not tried within it is an error (exit code 2).
`--module FILE`: one of the modules alone, such as support/results/decision.py; several times for several.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.programs.process import CommandTimeout, run_command
from tools.kept_files import PROJECT, kept_files

EXPLAINED = PROJECT / "tests" / "surviving_mutants.toml"
MUTMUT = (sys.executable, "-m", "mutmut")
REMEDY = "python3 tools/setup.py --group mutation"
LIMIT_SECONDS, SHOW_SECONDS, COLLECT_SECONDS = 1800.0, 60.0, 120.0
# What mutmut calls a change that a test has found; one that does not end has found it too.
FOUND = ("killed", "timeout", "segfault")
_RESULT = re.compile(r"^\s+(\S+): ([\w ]+)$", re.MULTILINE)
# `support.results.decision.x_causes__mutmut_4`; a method is `xǁDecisionǁmarked__mutmut_1`.
_NAME = re.compile(r"^[\w.]+\.xǁ?_?(?P<function>.+?)__mutmut_\d+$")

# As mutmut does: all tests in one process, then some of them by their ids in the same one.
_COLLECT_TWICE = """
import sys, pytest

class Ids:
    def pytest_collection_modifyitems(self, items):
        self.found = [item.nodeid for item in items]

ids, options = Ids(), ["--collect-only", "-q", "-p", "no:cacheprovider"]
pytest.main([*options, *sys.argv[1:]], plugins=[ids])
pytest.main([*options, *ids.found])
"""


@dataclass(frozen=True)
class Mutant:
    """One change. `removed`, `added`: its lines, without those around it."""

    name: str
    module: str
    function: str
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [*(f"  - {line}" for line in self.removed), *(f"  + {line}" for line in self.added)]
        return "\n".join([f"{self.module}, {self.function}:", *lines])


@dataclass(frozen=True)
class Explanation:
    """Why survivors change no verdict. `module`: empty for all; `added`: a pattern of a line they add."""

    module: str
    added: re.Pattern[str]
    reason: str

    def fits(self, mutant: Mutant) -> bool:
        its = not self.module or self.module == mutant.module
        return its and any(self.added.search(line) for line in mutant.added)

    def __str__(self) -> str:
        return f"{self.module or 'all modules'}: {self.added.pattern!r}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS)
    parser.add_argument("--module", action="append", default=[], metavar="FILE", dest="modules")
    parsed = parser.parse_args(arguments)
    limit, modules = parsed.limit, parsed.modules
    if unknown := sorted(set(modules) - set(settings()["only_mutate"])):
        print(f"mutation: not in [tool.mutmut] of pyproject.toml: {', '.join(unknown)}", file=sys.stderr)
        return 2
    if importlib.util.find_spec("mutmut") is None:
        print(f"mutation: mutmut is not installed: {REMEDY}", file=sys.stderr)
        return 2
    if lost := lost_ids():
        print(
            "mutation: pytest does not find these tests by their ids (see tests/plain_ids.py), so mutmut",
            "would count each change that they reach as found:\n  " + "\n  ".join(lost),
            file=sys.stderr,
        )
        return 2
    explanations = load_explanations(EXPLAINED)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder, "project")
        copy_checkout(copy)
        try:
            names = [f"{module.removesuffix('.py').replace('/', '.')}.x*" for module in modules]
            run_command([*MUTMUT, "run", "--max-children", "2", *names], within=limit, cwd=copy)
        except CommandTimeout as error:
            print(f"mutation: not finished within {limit:g} s: {error}", file=sys.stderr)
            return 2
        statuses = of_modules(dict(results(copy)), modules)
        if not statuses:
            print(
                "mutation: mutmut has changed nothing; see [tool.mutmut] in pyproject.toml", file=sys.stderr
            )
            return 2
        survivors = [shown(copy, name) for name, status in statuses.items() if status not in FOUND]
    return report(statuses, survivors, explanations, time.monotonic() - started, modules=modules)


def settings() -> dict[str, list[str]]:
    """`[tool.mutmut]` of pyproject.toml."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = project["tool"]["mutmut"]
    return found


def module_of(name: str) -> str:
    """The file of the module of a change, by mutmut's name of the change."""
    return f"{name.rpartition('.x')[0].replace('.', '/')}.py"


def of_modules(statuses: dict[str, str], modules: Collection[str]) -> dict[str, str]:
    """The changes of these modules; of all without any."""
    return {name: status for name, status in statuses.items() if not modules or module_of(name) in modules}


def lost_ids() -> list[str]:
    """The tests that pytest does not find again by their ids, with which mutmut repeats them.

    An id that a function has made (`ids=repr`) and that has a backslash is another one in a second run.
    """
    selection = settings()["pytest_add_cli_args_test_selection"]
    done = run_command(
        [sys.executable, "-c", _COLLECT_TWICE, *selection], within=COLLECT_SECONDS, cwd=PROJECT
    )
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR: not found")]


def copy_checkout(target: Path) -> None:
    """All files that git knows: mutmut writes beside them, and a test may not find the reports of a run."""
    for file in kept_files():
        copy = target / file.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)


def results(copy: Path) -> Iterator[tuple[str, str]]:
    done = run_command([*MUTMUT, "results", "--all", "true"], within=SHOW_SECONDS, cwd=copy)
    yield from _RESULT.findall(done.stdout)


def shown(copy: Path, name: str) -> Mutant:
    found = _NAME.match(name)
    assert found is not None, name
    function = found["function"].replace("ǁ", ".")
    done = run_command([*MUTMUT, "show", name], within=SHOW_SECONDS, cwd=copy)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("---", "+++"))]
    removed, added = (tuple(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Mutant(name, module_of(name), function, removed, added)


def load_explanations(file: Path) -> list[Explanation]:
    rows = tomllib.loads(file.read_text(encoding="utf-8")).get("survivor", [])
    return [Explanation(row.get("module", ""), re.compile(row["added"]), row["reason"]) for row in rows]


def report(
    statuses: dict[str, str],
    survivors: Sequence[Mutant],
    explanations: Sequence[Explanation],
    seconds: float,
    *,
    modules: Collection[str] = (),
) -> int:
    """Prints the result; the exit code. `modules`: those that were changed, empty for all."""
    # Without the survivors of the other modules, an explanation of theirs fits none.
    required = [each for each in explanations if not modules or each.module in modules]
    unexplained = [one for one in survivors if not any(each.fits(one) for each in explanations)]
    unused = [each for each in required if not any(each.fits(one) for one in survivors)]
    open_ones = Counter(one.module for one in unexplained)
    kept = Counter(one.module for one in survivors)
    changes = Counter(map(module_of, statuses))
    print(f"{'module':48} {'changes':>8} {'found':>8} {'explained':>10} {'not found':>10}")
    for module, count in sorted(changes.items()):
        explained = kept[module] - open_ones[module]
        print(f"{module:48} {count:8} {count - kept[module]:8} {explained:10} {open_ones[module]:10}")
    found = len(statuses) - len(survivors)
    print(
        f"{len(statuses)} changes in {seconds:.0f} s: {found} found, {len(survivors) - len(unexplained)}"
        f" explained, {len(unexplained)} not found"
    )
    for mutant in unexplained:
        print(f"\nNot found: {mutant}")
    for explanation in unused:
        print(f"\nExplained, but there is no such survivor: {explanation}")
    return 1 if unexplained or unused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

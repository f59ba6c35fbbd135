"""Support knows no behave, waits in one place, has no port of its own and declares what it imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.style.reading import ENVIRONMENT, PROJECT, ROOT, STEPS, SUPPORT, imports, named, tree

# A failed `assert` is gone under -O, and one with a message is a check.
CHECKS = [file for file in [*SUPPORT, *STEPS, ENVIRONMENT] if "bundled" not in file.parts]
TOOLS = sorted((ROOT / "tools").glob("**/*.py"))
CODE = [*SUPPORT, *STEPS, ENVIRONMENT, *TOOLS]
# The named exceptions: behave's runner, alone and with workers, its front door, and what behave loads
# as a formatter.
KNOW_BEHAVE = {
    "support/runner/runner.py",
    "support/runner/entry_point.py",
    "support/runner/event_runner.py",
    "support/runner/scenario_runner.py",
    "support/runner/result_collector.py",
    "support/runner/behave_config.py",
    "support/runner/checks_of_scenarios.py",
    "support/runner/project_configuration.py",
    "support/runner/worker.py",
    "support/reporting/allure_formatter.py",
    "support/reporting/progress.py",
}
WAITING = "support/waiting.py"
# Addresses with a port that nobody listens on or starts: an example in a hint, the discard port.
ADDRESSES = {
    ("support/settings.py", "give a base address such as http://127.0.0.1:1234"),
    ("support/programs/child_environment.py", "http://127.0.0.1:9"),
    ("support/aider/server.py", "http://127.0.0.1:1"),
    ("support/monitoring/proxied_server.py", "http://127.0.0.1:9/"),
    ("support/monitoring/metrics_endpoint.py", ": give an address and a port, such as 127.0.0.1:9815"),
}
LISTENERS = ("bind", "create_server")
LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1?\]):[1-9]\d*")


def test_only_the_named_modules_know_behave() -> None:
    wrong = [
        f"{named(file)}:{line} {name}"
        for file in SUPPORT
        for name, line in imports(file)
        if name.split(".")[0] in ("behave", "allure_behave") and named(file) not in KNOW_BEHAVE
    ]
    assert not wrong


def test_support_knows_no_steps() -> None:
    above = ("steps", "environment", "tests", "features")
    wrong = [
        f"{named(file)}:{line} {name}"
        for file in SUPPORT
        for name, line in imports(file)
        if name.split(".")[0] in above
    ]
    assert not wrong


def test_there_is_one_way_to_wait() -> None:
    wrong = []
    for file in CODE:
        if named(file) == WAITING:
            continue
        wrong += [f"{named(file)}:{line} {name}" for name, line in imports(file) if name == "time.sleep"]
        wrong += [
            f"{named(file)}:{node.lineno} {ast.unparse(node)}"
            for node in ast.walk(tree(file))
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep"
        ]
    assert not wrong


def test_no_port_is_fixed() -> None:
    assert not [finding for file in CODE for finding in fixed_ports(file)]


def fixed_ports(file: Path) -> Iterator[str]:
    for node in ast.walk(tree(file)):
        for name, value in bindings(node):
            if name.lower().split("_")[-1] == "port" and fixed(value):
                yield f"{named(file)}:{value.lineno} {name} = {ast.unparse(value)}"
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in LISTENERS:
            address = node.args[0] if node.args else None
            if isinstance(address, ast.Tuple) and len(address.elts) > 1 and fixed(address.elts[1]):
                yield f"{named(file)}:{node.lineno} {ast.unparse(node)}"
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if LOOPBACK.search(text) and (named(file), text) not in ADDRESSES:
            yield f"{named(file)}:{getattr(node, 'lineno', 0)} {text!r}"


def bindings(node: ast.AST) -> list[tuple[str, ast.expr]]:
    """Names that are given a value here: assignments, keywords of calls, defaults of parameters."""
    if isinstance(node, ast.Assign):
        return [(ast.unparse(target).rpartition(".")[2], node.value) for target in node.targets]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return [(ast.unparse(node.target).rpartition(".")[2], node.value)]
    if isinstance(node, ast.keyword) and node.arg:
        return [(node.arg, node.value)]
    if isinstance(node, ast.arguments):
        positional = [*node.posonlyargs, *node.args]
        pairs = list(zip(reversed(positional), reversed(node.defaults), strict=False))
        named_only = zip(node.kwonlyargs, node.kw_defaults, strict=True)
        pairs += [(argument, default) for argument, default in named_only if default is not None]
        return [(argument.arg, default) for argument, default in pairs]
    return []


def fixed(value: ast.expr) -> bool:
    """Whether it is a number other than 0, which asks for a free port."""
    return isinstance(value, ast.Constant) and type(value.value) is int and value.value != 0


# Groups of what a scenario may use when it is installed.
OPTIONAL = ("clients", "fuzz", "distributed", "mutation")


def declared() -> dict[str, str]:
    """Canonical name of each dependency -> the purpose that stands beside it in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    purposes = {}
    groups = PROJECT["dependency-groups"]
    for words in [*PROJECT["project"]["dependencies"], *(word for name in OPTIONAL for word in groups[name])]:
        line = next(line for line in text.splitlines() if f'"{words}"' in line)
        comment = line.partition(f'"{words}"')[2].partition("#")[2].strip()
        purposes[str(canonicalize_name(Requirement(words).name))] = comment
    return purposes


def imported(files: list[Path]) -> dict[str, str]:
    """Canonical name of each third-party distribution -> one place that imports it."""
    owners = packages_distributions()
    own = {"support", "steps", "environment", "tests", "tools"}
    found: dict[str, str] = {}
    for file in files:
        for name, line in imports(file):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top not in own:
                for owner in owners.get(top, [top])[:1]:
                    found.setdefault(canonicalize_name(owner), f"{named(file)}:{line} {top}")
    return found


def test_imports_are_declared() -> None:
    missing = imported(CODE).keys() - declared().keys()
    assert not {name: imported(CODE)[name] for name in missing}


def test_dependencies_are_imported_or_have_a_purpose() -> None:
    taken = imported(CODE)
    assert not [name for name, purpose in declared().items() if name not in taken and not purpose]


def test_what_the_tests_import_is_declared() -> None:
    groups = [Requirement(words).name for words in PROJECT["dependency-groups"]["dev"]]
    known = declared().keys() | {canonicalize_name(name) for name in groups}
    taken = imported(sorted((ROOT / "tests").rglob("*.py")))
    local = {file.stem for file in (ROOT / "tests").rglob("*.py")}
    assert not {
        name: where for name, where in taken.items() if name not in known and where.split()[-1] not in local
    }


# Packages that take half a second and more to import: only the scenarios that need one pay for it.
HEAVY = ("openai", "ollama", "mcp", "mcp_types", "httpx2", "aiohttp", "gguf", "mistralrs")


STEP_MODULES = [named(file).removesuffix(".py").replace("/", ".") for file in STEPS]
# The process of a load is started for each round of a load; these would take half of its start.
HEAVY_FOR_A_LOAD = (*HEAVY, "httpx", "psutil", "pydantic", "support.settings")


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (["environment", *STEP_MODULES], HEAVY),
        (["support.performance.load.__main__"], HEAVY_FOR_A_LOAD),
    ],
    ids=["run", "load"],
)
def test_a_process_starts_without_heavy_packages(modules: list[str], heavy: tuple[str, ...]) -> None:
    code = f"import sys, {', '.join(modules)}; print(*sorted({{*{heavy!r}}} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_checks_raise_their_own_error() -> None:
    asserted = [
        f"{named(file)}:{node.lineno}"
        for file in CHECKS
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Assert) and node.msg is not None
    ]
    assert not asserted, "raise CheckFailed (support/errors.py) instead of `assert` with a message"

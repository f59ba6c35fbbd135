"""Steps convert words, call one method of support, check; the vocabulary is small and reused."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.style.reading import FEATURES, ROOT, STEPS, Vocabulary, functions, imports, named, tree

MOST_STATEMENTS = 5
# About 16 for each of the eight capabilities.
MOST_DEFINITIONS = 130
LEAST_MEAN_USES = 6.5
MOST_SINGLE_USES = 0.20
LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Steps of several capabilities.
SHARED = {"common", "conformance"}
# steps/types.py is no step module: it registers the types of the matcher.
STEP_MODULES = [file for file in STEPS if file.name != "types.py"]

each_module = pytest.mark.parametrize("file", STEP_MODULES, ids=named)


def statements(function: ast.AST) -> int:
    """Statements of a body, nested ones included, without the docstring."""
    found = [node for node in ast.walk(function) if isinstance(node, ast.stmt) and node is not function]
    return sum(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in found)


def decorators(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
        for decorator in function.decorator_list
    ]


def test_there_is_one_flat_module_for_each_capability() -> None:
    assert not [
        named(entry) for entry in (ROOT / "steps").iterdir() if entry.is_dir() and any(entry.glob("*.py"))
    ]
    assert {file.stem for file in STEP_MODULES} <= {file.parent.name for file in FEATURES} | SHARED


@each_module
def test_steps_are_short(file: Path) -> None:
    counted = {f"{named(file)}:{item.lineno} {item.name}": statements(item) for item in functions(file)}
    assert not {name: count for name, count in counted.items() if count > MOST_STATEMENTS}


@each_module
def test_steps_hold_no_logic_of_their_own(file: Path) -> None:
    loops = [f"{named(file)}:{node.lineno}" for node in ast.walk(tree(file)) if isinstance(node, LOOPS)]
    assert not loops


@pytest.mark.parametrize("file", STEPS, ids=named)
def test_steps_do_not_sleep_fetch_start_or_nest(file: Path) -> None:
    banned = {
        "time",
        "asyncio",
        "threading",
        "subprocess",
        "socket",
        "os",
        "httpx",
        "requests",
        "urllib",
        "pexpect",
    }
    wrong = [f"{named(file)}:{line} {name}" for name, line in imports(file) if name.split(".")[0] in banned]
    for node in ast.walk(tree(file)):
        used = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if used in ("sleep", "execute_steps"):
            wrong.append(f"{named(file)}:{getattr(node, 'lineno', 0)} {used}")
    assert not wrong


@each_module
def test_steps_are_given_when_or_then(file: Path) -> None:
    allowed = {"behave.given", "behave.when", "behave.then"}
    taken = {name for name, _ in imports(file) if name.split(".")[0] == "behave"}
    assert taken <= allowed
    wrong = [
        f"{named(file)}:{item.lineno} {item.name}: {decorators(item)}"
        for item in functions(file)
        if not decorators(item) or set(decorators(item)) - {"given", "when", "then"}
    ]
    assert not wrong


@each_module
def test_functions_have_names_of_their_own(file: Path) -> None:
    names = Counter(function.name for function in functions(file))
    assert not [name for name, times in names.items() if times > 1]
    assert not [name for name in names if name.startswith(("step_", "impl", "_"))]


def test_every_step_is_defined(vocabulary: Vocabulary) -> None:
    assert not [f"{use.where} {use.step}" for use in vocabulary.uses if use.definition is None]


def test_every_definition_is_used(vocabulary: Vocabulary) -> None:
    assert not [name for name, times in vocabulary.counted.items() if times == 0]


def test_the_vocabulary_is_small(vocabulary: Vocabulary) -> None:
    assert len(vocabulary.definitions) <= MOST_DEFINITIONS


def test_definitions_are_used_often(vocabulary: Vocabulary) -> None:
    counted = vocabulary.counted
    mean = sum(counted.values()) / len(counted)
    assert mean >= LEAST_MEAN_USES, f"{mean:.2f} uses per definition, of {len(counted)} definitions"


def test_few_definitions_are_used_once(vocabulary: Vocabulary) -> None:
    counted = vocabulary.counted
    once = sorted(name for name, times in counted.items() if times == 1)
    share = len(once) / len(counted)
    assert share <= MOST_SINGLE_USES, (
        f"{len(once)} of {len(counted)} ({share:.0%}) definitions are used once:\n  " + "\n  ".join(once)
    )

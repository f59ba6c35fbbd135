"""What the checks of style look at: files, syntax trees, features and step definitions."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from behave.configuration import Configuration
from behave.runner import Context, Runner
from behave.runner_util import parse_features, reset_runtime

ROOT = Path(__file__).resolve().parents[2]
FEATURES = sorted((ROOT / "features").rglob("*.feature"))
STEPS = sorted((ROOT / "steps").glob("*.py"))
ENVIRONMENT = ROOT / "environment.py"
SUPPORT = sorted((ROOT / "support").rglob("*.py"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def named(file: Path) -> str:
    """The path as a person writes it."""
    return file.relative_to(ROOT).as_posix()


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), named(file))


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Absolute imports anywhere in the file: dotted name (`from a import b` gives `a.b`) and line."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def slug(heading: str) -> str:
    """The anchor of a heading of Markdown, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def functions(file: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@dataclass(frozen=True)
class Use:
    """One step of one expanded scenario and the definition that it meets (None: undefined)."""

    step: str
    where: str
    definition: Any
    values: tuple[Any, ...]

    @property
    def owner(self) -> str:
        """`openai_api.send`: module and function of the definition."""
        code = self.definition.func.__code__
        return f"{Path(code.co_filename).stem}.{code.co_name}"


@dataclass(frozen=True)
class Vocabulary:
    """All features, all step definitions, and who uses what."""

    features: tuple[Any, ...]
    definitions: tuple[Any, ...]
    uses: tuple[Use, ...]

    @property
    def scenarios(self) -> list[Any]:
        """Expanded: one for each row of an outline."""
        return [scenario for feature in self.features for scenario in feature.walk_scenarios()]

    @property
    def templates(self) -> list[Any]:
        """As written: an outline counts once."""
        return [template for feature in self.features for template in feature.scenarios]

    @property
    def counted(self) -> dict[str, int]:
        """Definition (`then: the status is {int}`) -> how many lines of the features use it, as written.

        An outline counts once, whatever its rows, and so does a step of a background.
        """
        lines = {(use.where, label(use.definition)) for use in self.uses if use.definition is not None}
        met = Counter(definition for _, definition in lines)
        return {label(definition): met[label(definition)] for definition in self.definitions}

    def values_of(self, *owners: str) -> set[tuple[Any, ...]]:
        """The parameter values with which these definitions are used."""
        return {use.values for use in self.uses if use.definition is not None and use.owner in owners}


def label(definition: Any) -> str:
    return f"{definition.step_type}: {definition.pattern}"


def read_vocabulary() -> Vocabulary:
    """Load hooks, steps and features as behave does, without running anything."""
    # environment.py refuses to be loaded by behave's own runner alone.
    importlib.import_module("support.runner.scenario_runner")
    configuration = Configuration([str(ROOT / "features"), "--dry-run"])
    # behave replaces its registry of steps; the one that the loaded steps fill is looked up afterwards.
    reset_runtime()
    from behave.runner import the_step_registry as registry

    runner = Runner(configuration)
    with runner.path_manager:
        runner.setup_paths()
        runner.context = Context(runner)
        runner.load_hooks()
        runner.load_step_definitions()
        features = parse_features(runner.feature_locations(), language=configuration.lang)
    definitions = tuple(found for kind in registry.steps.values() for found in kind)
    uses = []
    for feature in features:
        for scenario in feature.walk_scenarios():
            for step in scenario.all_steps:
                match = registry.find_match(step)
                values = tuple(argument.value for argument in match.arguments) if match else ()
                where = f"{named(Path(step.filename).resolve())}:{step.line}"
                uses.append(Use(step.name, where, registry.find_step_definition(step), values))
    return Vocabulary(tuple(features), definitions, tuple(uses))

"""What the tools of the trade say: they run as they are configured in pyproject.toml."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.style.reading import PROJECT, ROOT, imports, named, tree
from tools.kept_files import kept_files


@pytest.mark.parametrize(
    "words",
    [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)],
    ids=["ruff-check", "ruff-format", "mypy"],
)
def test_tool_is_content(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"


def test_nothing_uses_what_mypy_does_not_follow() -> None:
    """It would have no types: neither as a module nor as an attribute of a client, such as `client.beta`."""
    overrides = PROJECT["tool"]["mypy"]["overrides"]
    unfollowed = [
        module.removesuffix(".*")
        for row in overrides
        if row.get("follow_imports") == "skip" and not row.get("ignore_missing_imports")
        for module in row["module"]
    ]
    packages = {module.partition(".")[0] for module in unfollowed}
    attributes = {module.rpartition(".")[2] for module in unfollowed}
    users, found = set(), []
    for file in (file for file in kept_files() if file.suffix == ".py"):
        names = [(name, line) for name, line in imports(file) if name.partition(".")[0] in packages]
        if not names:
            continue
        users.add(named(file))
        names += [
            (f".{node.attr}", node.lineno)
            for node in ast.walk(tree(file))
            if isinstance(node, ast.Attribute) and node.attr in attributes
        ]
        found += [
            f"{named(file)}:{line}: {name}"
            for name, line in names
            if name.startswith(".") or any(f"{name}.".startswith(f"{module}.") for module in unfollowed)
        ]
    assert {"support/clients/anthropic_sdk.py", "support/clients/openai_sdk.py"} <= users
    assert not found

"""A project that Aider works on: a git repository with files, tests and the answers of the scripted model.

One TOML file each in `projects/`: `[files]` (path -> content), `[repeated]` (path -> text and number of
times, for long files) and `[[rows]]` of the model's script (marker, answer), in the order of a conversation.
A row may have `loop` (the answer never ends), or `lines`, which stand `times` times for LINES in its answer.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from support.errors import AcceptanceError, CheckFailed
from support.models.script import Row, Script
from support.name_registry import unknown
from support.programs.child_environment import child_environment
from support.programs.process import CompletedCommand, run_command
from support.user_files import problem_of

PROJECTS = Path(__file__).with_name("projects")
DEFAULT_ANSWER = "There is nothing to change."
# A word that only Aider's request for a commit message has (aider/prompts.py).
COMMIT_KEYWORD, COMMIT_MESSAGE = "imperative", "feat: change what was asked for"
COMMAND_SECONDS = 30.0
# Without cached bytecode: that of a file is taken for current when an edit within the same second has as many
# bytes, and the tests would run the code before it.
_UNITTEST = ("-B", "-m", "unittest", "-q")
_NO_TESTS = "Ran 0 tests"
# The line of the exception below the first traceback, whose own lines are indented.
_FIRST_ERROR = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n)*(\S.*)$", re.MULTILINE)
USER = "[user]\nname = A Developer\nemail = developer@example.org\n[init]\ndefaultBranch = main\n"
# What Aider and cecli themselves leave in a project, and their configuration.
CHAT_FILES = ".aider*\n.cecli\n.env"
_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class ProjectSource:
    """A project as it is in its file."""

    name: str
    files: Mapping[str, str]
    script: Script

    @classmethod
    def load(cls, name: str) -> ProjectSource:
        """Raises `CheckFailed` for a name that there is not."""
        path = PROJECTS / f"{name}.toml"
        if not path.is_file():
            known = [file.stem for file in PROJECTS.glob("*.toml")]
            raise CheckFailed(unknown("project", name, known))
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = [Row(row["marker"], _answer(row), row.get("loop", False)) for row in table["rows"]]
        repeated = {path: entry["text"] * entry["times"] for path, entry in table.get("repeated", {}).items()}
        script = Script((*rows, Row(COMMIT_KEYWORD, COMMIT_MESSAGE)), DEFAULT_ANSWER)
        return cls(name, {**table["files"], **repeated}, script)


def _answer(row: Mapping[str, Any]) -> str:
    answer: str = row["answer"]
    return answer.replace("LINES\n", row["lines"] * row["times"]) if "lines" in row else answer


class Project:
    """A copy of a project in a git repository of its own, with one commit.

    `home`: of git and the tests. `timeout`: seconds for a command of either.
    Raises `AcceptanceError` where git cannot make it.
    """

    def __init__(
        self, source: ProjectSource, folder: Path, home: Path, timeout: float = COMMAND_SECONDS
    ) -> None:
        self.source = source
        self.folder = folder
        self._home = home
        self._timeout = timeout
        home.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        for name, content in source.files.items():
            self.write(name, content)
        (home / ".gitconfig").write_text(USER, encoding="utf-8")
        self._prepare("init", "--quiet")
        # Of git's template, which not every installation has.
        (folder / ".git" / "info").mkdir(exist_ok=True)
        (folder / ".git" / "info" / "exclude").write_text(f"{CHAT_FILES}\n__pycache__\n", encoding="utf-8")
        self._prepare("add", "--all")
        self._prepare("commit", "--quiet", "--message", "The state before")

    def _prepare(self, *words: str) -> None:
        """Before Aider works on it: what fails here is no failure of Aider or its server."""
        try:
            self._git(*words)
        except CheckFailed as error:
            raise AcceptanceError(f"a project for Aider cannot be made: {error}") from None

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """Of git and the tests: nothing of the user's configuration is read or changed."""
        return child_environment(self._home, GIT_CONFIG_NOSYSTEM="1", PYTHONDONTWRITEBYTECODE="1")

    def write(self, name: str, content: str) -> None:
        """Put a file there."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())

    def read(self, name: str) -> str:
        """A file as it is; raises `CheckFailed` when there is none."""
        try:
            return (self.folder / name).read_bytes().decode()
        except OSError as error:
            raise CheckFailed(f"{name} of the project cannot be read: {problem_of(error)}") from None

    # -- git

    @property
    def commits(self) -> list[str]:
        """The subjects of the commits since the first one, the latest first."""
        return self._git("log", "--format=%s").splitlines()[:-1]

    @property
    def changed_files(self) -> list[str]:
        """Those that differ from the first commit, committed or not."""
        first = self._git("rev-list", "--max-parents=0", "HEAD").strip()
        self._git("add", "--all", "--intent-to-add")
        return self._git("diff", "--name-only", first).splitlines()

    @property
    def uncommitted(self) -> list[str]:
        """`git status --porcelain`."""
        return self._git("status", "--porcelain").splitlines()

    @property
    def changes(self) -> str:
        """Each commit since the first one with its patch, the earliest first; then what is not committed."""
        first = self._git("rev-list", "--max-parents=0", "HEAD").strip()
        self._git("add", "--all", "--intent-to-add")
        committed = self._git("log", "--reverse", "--patch", "--format=commit: %s", f"{first}..HEAD")
        uncommitted = self._git("diff", "HEAD")
        return committed + (f"not committed:\n\n{uncommitted}" if uncommitted else "")

    def _git(self, *words: str) -> str:
        done = run_command(["git", *words], within=self._timeout, env=self.environment, cwd=self.folder)
        if done.exit_code != 0:
            raise CheckFailed(f"git {words[0]} fails: {_last_line(done.stderr)}\n{done.describe()}")
        return done.stdout

    # -- its program

    def run_tests(self, modules: Sequence[str] = ()) -> CompletedCommand:
        """Run its tests, or those of these modules, outside of Aider."""
        command = [sys.executable, *_UNITTEST, *modules]
        return run_command(command, within=self._timeout, env=self.environment, cwd=self.folder)

    def require_tests(self, modules: Sequence[str]) -> None:
        """These modules of its tests pass; raises `CheckFailed` with their first error in the first line."""
        done = self.run_tests(modules)
        # unittest of Python 3.11 passes without a test.
        no_tests = _NO_TESTS in done.stderr
        if done.exit_code != 0 or no_tests:
            error = _FIRST_ERROR.search(done.stderr)
            why = "no test was run" if no_tests else error[1] if error else _last_line(done.stderr)
            raise CheckFailed(f"the tests of the project fail: {why}\n{done.describe()}")

    def require_only_docstrings(self, file: str) -> None:
        """Each public function and class of a module has a docstring, and its code is that of before."""
        before, now = self.source.files[file], self.read(file)
        if missing := public_functions_without_docstring(now):
            raise CheckFailed(f"{file} has no docstring of {', '.join(missing)}")
        if syntax_without_docstrings(before) != syntax_without_docstrings(now):
            raise CheckFailed(f"the code of {file} has changed:\n{now}")

    @property
    def test_command(self) -> str:
        """The same for Aider, which runs it in a shell."""
        return shlex.join([sys.executable, *_UNITTEST])


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it printed nothing")


def public_functions_without_docstring(source: str) -> list[str]:
    """The names of the public functions and classes of a module that have none."""
    return [
        node.name
        for node in ast.walk(_parsed(source))
        if isinstance(node, _DOCUMENTED) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]


def syntax_without_docstrings(source: str) -> str:
    """The syntax tree of a module without its docstrings, comments and layout."""
    tree = _parsed(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *_DOCUMENTED)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise CheckFailed(f"no valid Python: {error}:\n{source[-2000:]}") from None

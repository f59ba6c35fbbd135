"""An installer that fails is told in one line with its last words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.errors import ProgramUnavailable
from support.programs.install import EXECUTABLE_SUFFIX, find_uv, install
from tests.timeouts import PATIENCE

PYTHON = (sys.executable, "-ISc")


def run(folder: Path, script: str, within: float = PATIENCE) -> None:
    install("It could not be had", [*PYTHON, script], timeout=within, cwd=folder)


def test_what_is_installed_is_there(tmp_path: Path) -> None:
    run(tmp_path, "open('here', 'w').close()")
    assert (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys; sys.exit('no such\\npackage')", "It could not be had: no such package"),
        ("print('not found'); raise SystemExit(1)", "It could not be had: not found"),
        ("import sys; sys.exit('x' * 1000 + ' the end')", "the end"),
    ],
)
def test_a_failure_is_told_with_its_last_words(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(ProgramUnavailable) as caught:
        run(tmp_path, script)
    assert str(caught.value).endswith(words)
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ProgramUnavailable, match="It could not be had: "):
        run(tmp_path, "import signal; signal.pause()", within=0.5)


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProgramUnavailable, match=r"It could not be had: .*No such file"):
        install("It could not be had", [tmp_path / "missing"], timeout=PATIENCE)


def test_uv_of_the_environment_is_found_without_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install uv` beside the package is enough; its environment is seldom on the PATH."""
    uv = tmp_path / f"uv{EXECUTABLE_SUFFIX}"
    uv.touch()
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert find_uv() == str(uv)

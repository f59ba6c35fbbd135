"""An exception that the suite does not expect: one line with its place, and the documented exit code."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from support import settings
from support.cli import main
from support.errors import EXIT_HARNESS


def broken() -> None:
    raise ValueError("two\nlines")


@pytest.mark.parametrize("command", [["settings"], ["doctor"], ["get", "smollm2"]])
def test_a_command_ends_with_one_line_and_the_exit_code_of_a_broken_harness(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "load_settings", broken)
    done = CliRunner().invoke(main, command)
    assert done.exit_code == EXIT_HARNESS
    assert done.stderr.startswith("acceptance: internal error: ValueError: two lines (")
    assert __file__ in done.stderr
    assert done.stderr.count("\n") == 1

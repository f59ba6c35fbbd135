"""Ctrl-C in a command that is no run."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from support.cli import Commands
from support.errors import EXIT_INTERRUPTED


def test_an_interrupted_command_ends_with_its_code_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_context: click.Context) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(click.Group, "invoke", lambda _self, context: get(context))
    result = CliRunner().invoke(Commands("acceptance"), ["get"])
    assert (result.exit_code, result.stderr) == (EXIT_INTERRUPTED, "acceptance: interrupted\n")

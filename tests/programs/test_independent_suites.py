"""An independent suite that is not installed is an unmet requirement with its remedy in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import ProgramUnavailable
from support.programs import install
from support.programs.independent_suites import OPENAI_TESTS, SUITES, IndependentSuite
from support.runner.requirements import INDEPENDENT, Requirements
from support.runner.tags import NEEDS
from support.servers.discovery import CommandTarget
from support.settings import Settings


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_missing_suite_is_named_with_its_remedy(tmp_path: Path, suite: IndependentSuite) -> None:
    need = f"needs.{suite.name.replace('-', '_')}"
    assert need in NEEDS and INDEPENDENT[need] is suite
    settings = Settings(acceptance_cache_dir=tmp_path)
    target = CommandTarget(Path("mistralrs"), "mistralrs", "0.9.2", "chosen")
    reason = Requirements(settings, target).missing([need])
    assert reason is not None and "\n" not in reason
    assert f"`acceptance get {suite.name}`" in reason


def test_a_suite_that_cannot_be_installed_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "find_uv", lambda: None)
    with pytest.raises(ProgramUnavailable, match=r"uv is not found: .*tools/setup\.py") as raised:
        OPENAI_TESTS.get(tmp_path, lambda _: None)
    assert "\n" not in str(raised.value)
    assert OPENAI_TESTS.find(tmp_path) is None


def test_dependencies_have_the_pinned_version_of_the_sdk() -> None:
    assert f"openai=={OPENAI_TESTS.version}\n" in OPENAI_TESTS.dependencies.read_text()

"""An independent suite that is not installed is an unmet requirement with its remedy in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import ProgramUnavailable
from support.programs import independent_suites as suites_module
from support.programs import install
from support.programs.independent_suites import OLLAMA_TESTS, OPENAI_TESTS, SUITES, IndependentSuite
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


@pytest.mark.parametrize(
    ("output", "errors", "reason"),
    [
        (
            '{"Error": "module lookup disabled\\n by GOPROXY=off"}',
            "",
            "module lookup disabled by GOPROXY=off",
        ),
        (
            "",
            "go: GOMODCACHE entry is relative;\n must be absolute path",
            "entry is relative; must be absolute",
        ),
    ],
    ids=["no module", "wrong environment"],
)
def test_a_go_module_that_cannot_be_downloaded_is_told_with_the_reason_of_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, errors: str, reason: str
) -> None:
    (tmp_path / "output").write_text(output)
    (tmp_path / "errors").write_text(errors)
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\ncat '{tmp_path}/output'; cat '{tmp_path}/errors' >&2; exit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(suites_module, "require_tools", lambda *_: None)
    with pytest.raises(ProgramUnavailable) as raised:
        OLLAMA_TESTS.get(tmp_path / "cache", lambda _: None)
    assert f"no Go module github.com/ollama/ollama@v{OLLAMA_TESTS.version}: " in str(raised.value)
    assert reason in str(raised.value) and "\n" not in str(raised.value)


def test_dependencies_have_the_pinned_version_of_the_sdk() -> None:
    assert f"openai=={OPENAI_TESTS.version}\n" in OPENAI_TESTS.dependencies.read_text()

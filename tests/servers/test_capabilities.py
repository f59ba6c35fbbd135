"""What a version is documented not to have is a need; an unknown server is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.runner.requirements import Requirements
from support.servers.capabilities import unmet_capability
from support.servers.discovery import CommandTarget
from support.settings import Settings


@pytest.mark.parametrize(
    ("tag", "program", "version", "met"),
    [
        ("needs.one_shot", "mistralrs", "0.7.0", False),
        ("needs.one_shot", "mistralrs-reference", "0.9.5", True),
        ("needs.messages", "mistralrs", "0.8.1", False),
        ("needs.messages", "mistralrs", "0.9.2", True),
        ("needs.messages", "mistralrs", "nightly", True),
        ("needs.request_ids", "mistralrs-reference", "0.9.5", True),
        ("needs.responses", "mistralrs-reference", "0.9.5", False),
        ("needs.embeddings", "mistralrs-server", "0.8.0", False),
        ("needs.embeddings", "mistralrs-reference", "0.9.5", True),
        ("needs.responses", "some-server", "1", True),
        ("needs.mcp_server", "mistralrs", "0.8.1", False),
        ("needs.mcp_server", "mistralrs", "0.8.3", False),
        ("needs.mcp_server", "mistralrs", "0.8.4", True),
        ("needs.mcp_server", "mistralrs-reference", "0.9.5", True),
        ("needs.mcp_server", "mistralrs", "(version not known)", True),
        ("needs.mcp_client", "mistralrs", "0.8.1", False),
        ("needs.mcp_client", "mistralrs", "0.8.2", True),
        ("smoke", "mistralrs", "0.8.1", True),
    ],
)
def test_capabilities_by_version(tag: str, program: str, version: str, *, met: bool) -> None:
    reason = unmet_capability({tag}, program, version)
    assert (reason is None) is met
    assert met or f", {program} {version} " in (reason or "")


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("needs.messages", ["Anthropic's Messages API, mistralrs 0.8.1 has none of it"]),
        ("needs.mcp_server", ["--mcp-port", "nothing listens", "0.8.4"]),
        ("needs.mcp_client", ["--mcp-config", "never reads the file", "0.8.2"]),
    ],
)
def test_a_scenario_is_skipped_with_what_is_lacking_and_the_remedy(tag: str, words: list[str]) -> None:
    target = CommandTarget(Path("mistralrs"), "mistralrs", "0.8.1", "given")
    reason = Requirements(Settings(), target).missing([tag])
    assert reason is not None
    assert all(word in reason for word in words), reason
    assert Requirements(Settings(), target).missing(["needs.command"]) is None

"""What a version is documented not to have is a need; an unknown server is asked."""

from __future__ import annotations

import pytest

from support.target.capabilities import unmet_capability


@pytest.mark.parametrize(
    ("tag", "program", "version", "met"),
    [
        ("needs.messages", "mistralrs", "0.8.1", False),
        ("needs.messages", "mistralrs", "0.9.2", True),
        ("needs.messages", "mistralrs", "nightly", True),
        ("needs.request_ids", "mistralrs-reference", "0.9.5", True),
        ("needs.responses", "mistralrs-reference", "0.9.5", False),
        ("needs.embeddings", "mistralrs-server", "0.8.0", False),
        ("needs.embeddings", "mistralrs-reference", "0.9.5", True),
        ("needs.responses", "some-server", "1", True),
        ("smoke", "mistralrs", "0.8.1", True),
    ],
)
def test_capabilities_by_version(tag: str, program: str, version: str, met: bool) -> None:
    reason = unmet_capability({tag}, program, version)
    assert (reason is None) is met
    assert met or (reason or "").endswith(f"{program} {version} has none of it")

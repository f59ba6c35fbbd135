"""Clients that disconnect beside a stream: also a server that rarely breaks it is noticed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from support.faults import disconnects


@pytest.mark.parametrize(("broken", "noticed"), [(25, True), (None, False)])
def test_a_server_that_rarely_breaks_a_stream_is_noticed(
    monkeypatch: pytest.MonkeyPatch, broken: int | None, noticed: object
) -> None:
    """Beside busy programs a disconnect meets the moment of the defect in about every tenth attempt."""
    asked = 0

    def ask(*_: object, **__: object) -> SimpleNamespace:
        nonlocal asked
        asked += 1
        return SimpleNamespace(text="round and", finish_reason="" if asked == broken else "length")

    monkeypatch.setattr(disconnects, "RawClient", lambda *_, **__: SimpleNamespace(close=lambda: None))

    found = disconnects.disconnect_beside_stream(
        SimpleNamespace(ask=ask),  # type: ignore[arg-type]
        disconnects.SHORT,
        timeout=1,
    )

    assert (found is not None) == noticed

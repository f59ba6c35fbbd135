"""The recorded requests of generated ones have a limit, and its message names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.faults import fuzzing
from support.programs.output_limit import MEGABYTE
from support.programs.process import CompletedCommand


def test_an_archive_beyond_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def recorded(command: list[str | Path], **_: object) -> CompletedCommand:
        folder = Path(command[command.index("--report-dir") + 1])
        folder.mkdir()
        (folder / "requests.har").write_bytes(b"x" * (2 * MEGABYTE))
        return CompletedCommand((), fuzzing.CLEAN, "1 generated", "", 1.0)

    monkeypatch.setattr(fuzzing, "_description", lambda _url, folder: folder / "openapi.json")
    monkeypatch.setattr(fuzzing, "run_command", recorded)
    monkeypatch.setattr(fuzzing, "ARCHIVE_BYTES", MEGABYTE)
    with pytest.raises(RuntimeError, match=r"recorded 2\.0 MB of requests, more than 1 MB$"):
        fuzzing.fuzz("http://127.0.0.1:1", tmp_path, 1, lambda: True)

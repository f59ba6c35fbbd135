"""Schemathesis has limits of recorded requests and of memory, which the messages name."""

from __future__ import annotations

import sys
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_schemathesis_cannot_use_up_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "greedy"
    package.mkdir()
    # It begins when it has a limit, and wants 8 GiB of addresses.
    (package / "cli.py").write_text(
        "import resource as r\n"
        "while r.getrlimit(r.RLIMIT_AS)[0] == r.RLIM_INFINITY: pass\n"
        "bytearray(8 * 1024**3)\n"
    )
    monkeypatch.setattr(fuzzing, "MODULE", "greedy")
    monkeypatch.setattr(fuzzing, "_description", lambda _url, folder: folder / "openapi.json")
    with pytest.raises(RuntimeError, match=r"^greedy needed more than its limit of 4 GiB of memory$"):
        fuzzing.fuzz("http://127.0.0.1:1", tmp_path, 1, lambda: True)

"""A build of the real server is never lost; a script takes the place of cargo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.errors import ProgramUnavailable
from support.programs import install
from support.programs.mistralrs import MISTRALRS
from support.waiting import wait_until
from tests.timeouts import PATIENCE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the script needs a shell")
# It compiles three crates, each once in a target folder, and waits before the end for a file.
CARGO = """#!/bin/sh
here=$(dirname "$0")
[ "$1" = --version ] && { echo cargo 1.95.0; exit; }
while [ $# -gt 0 ]; do
  case "$1" in --root) root=$2;; --target-dir) target=$2;; esac
  shift
done
echo started >> "$here/starts"
mkdir -p "$root/bin"
for crate in one two three; do
  [ -e "$target/$crate" ] && continue
  echo "   Compiling $crate v1.0.0"
  touch "$target/$crate"
  [ "$crate" = two ] && while [ ! -e "$here/go" ]; do sleep 0.05; done
done
printf '#!/bin/sh\\necho mistralrs 0.8.1\\n' > "$root/bin/mistralrs"
chmod +x "$root/bin/mistralrs"
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, text in (("cargo", CARGO), ("cmake", "#!/bin/sh\n"), ("c++", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("ACCEPTANCE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(install, "PROGRESS_INTERVAL", 0.05)
    return folder


def start(output: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("acceptance")), "get", "mistralrs"]
    with output.open("wb") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)


def test_a_build_shows_its_crates_and_leaves_the_program_only(tools: Path, tmp_path: Path) -> None:
    (tools / "go").touch()
    lines: list[str] = []
    found = MISTRALRS.get(tmp_path / "cache", lines.append)
    assert (found.version, found.path.parent.name) == ("0.8.1", "bin")
    assert not (tmp_path / "cache" / "mistralrs" / "target").exists()


def test_an_interrupted_build_continues(tools: Path, tmp_path: Path) -> None:
    output, folder = tmp_path / "output", tmp_path / "cache" / "mistralrs"
    process = start(output)
    wait_until("the second crate", (folder / "target" / "two").exists, timeout=PATIENCE)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert {path.name for path in folder.iterdir()} == {"bin", "install.log", "target"}
    assert "Traceback" not in output.read_text()
    (tools / "go").touch()
    lines: list[str] = []
    MISTRALRS.get(tmp_path / "cache", lines.append)
    assert "mistralrs: continues an earlier build of crate 2 of about 530" in lines
    assert (folder / "install.log").read_text().split() == ["Compiling", "three", "v1.0.0"]
    assert not (folder / "target").exists()


def test_two_callers_build_once(tools: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    processes = [start(first)]
    wait_until("the start", (tools / "starts").exists, timeout=PATIENCE)
    processes.append(start(second))
    wait_until("the wait", lambda: "another process installs it" in second.read_text(), timeout=PATIENCE)
    (tools / "go").touch()
    assert [process.wait(PATIENCE) for process in processes] == [0, 0]
    assert (tools / "starts").read_text() == "started\n"
    assert all("mistralrs 0.8.1: " in file.read_text() for file in (first, second))


@pytest.mark.usefixtures("tools")
def test_a_build_ends_only_when_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    two = tmp_path / "cache" / "mistralrs" / "target" / "two"

    def report(line: str) -> None:
        lines.append(line)
        # From now on nothing happens; until then the machine may take its time.
        if two.exists() and "Compiling two" in line:
            monkeypatch.setattr(install, "INACTIVITY_SECONDS", 0.2)

    with pytest.raises(ProgramUnavailable, match="no output and no use of the CPU"):
        MISTRALRS.get(tmp_path / "cache", report)
    assert any("crate 2 of about 530, now: Compiling two v1.0.0" in line for line in lines)

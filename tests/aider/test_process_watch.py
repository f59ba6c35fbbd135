"""The processes that Aider starts are watched: their connections, and where they listen."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from support.aider import process_watch
from support.aider.process_watch import ProcessWatch
from support.aider.run import require_local
from support.errors import CheckFailed
from support.programs.process import ManagedProcess
from support.waiting import wait_until
from tests.timeouts import PATIENCE

# An address for documentation (RFC 5737): a datagram socket is connected to it without sending anything.
OUTSIDE = "192.0.2.1"
# As Aider starts a shell for tests: the program with the socket is two below the process that is watched.
SHELL = '"$0" -c "$1" & wait'
PROGRAM = """
import pathlib, socket, time
s = socket.socket(type=socket.{type})
s.{use}
{then}
pathlib.Path("ready").write_text("")
time.sleep(600)
"""


def listening(host: str) -> str:
    return PROGRAM.format(type="SOCK_STREAM", use=f"bind(({host!r}, 0))", then="s.listen()")


def connected(host: str, port: int, type: str = "SOCK_STREAM") -> str:
    return PROGRAM.format(type=type, use=f"connect(({host!r}, {port}))", then="")


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[[str], tuple[ProcessWatch, list[str]]]]:
    """Runs a program below a shell; the watch of that, and what it has recorded."""
    with ExitStack() as ends:

        def run(program: str) -> tuple[ProcessWatch, list[str]]:
            record, ready = tmp_path / "connections", tmp_path / "ready"
            record.write_text("")
            shell = ManagedProcess(
                ["sh", "-c", SHELL, sys.executable, program], stdout=tmp_path / "log", env={}, cwd=tmp_path
            )
            ends.callback(shell.stop)
            wait_until("its socket", ready.exists, timeout=PATIENCE, seen=(tmp_path / "log").read_text)
            with ProcessWatch([shell.pid], record) as made:
                pass
            return made, record.read_text().splitlines()

        yield run


def test_a_program_that_listens_for_other_machines_is_found(
    watch: Callable[[str], tuple[ProcessWatch, list[str]]],
) -> None:
    _, (line,) = watch(listening("0.0.0.0"))
    assert line.startswith("0.0.0.0 ")
    assert line.endswith(", listening")
    with pytest.raises(CheckFailed, match=r"or listens for them: 0\.0\.0\.0 \d+ \S+, listening"):
        require_local([line])


def test_a_program_that_connects_to_another_machine_is_found(
    watch: Callable[[str], tuple[ProcessWatch, list[str]]],
) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((OUTSIDE, 9))
        except OSError as error:
            pytest.skip(f"this machine has no route to another one: {error}")
    _, (line,) = watch(connected(OUTSIDE, 9, "SOCK_DGRAM"))
    assert line.startswith(f"{OUTSIDE} 9 ")
    with pytest.raises(CheckFailed, match=f"connects to other machines.*: {OUTSIDE} 9"):
        require_local([line])


def test_a_program_that_stays_on_this_machine_is_right(
    watch: Callable[[str], tuple[ProcessWatch, list[str]]],
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        _, (line,) = watch(connected("127.0.0.1", port))
    assert line.startswith(f"127.0.0.1 {port} ")
    require_local([line])


def test_a_watch_that_cannot_look_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the table of connections is malformed")

    monkeypatch.setattr(process_watch, "_addresses", fail)
    with pytest.raises(RuntimeError, match="is malformed"), ProcessWatch([os.getpid()], tmp_path / "record"):
        pass


def test_the_processes_that_are_left_are_known(
    watch: Callable[[str], tuple[ProcessWatch, list[str]]],
) -> None:
    made, _ = watch(listening("127.0.0.1"))
    (left,) = made.left
    assert left.is_running()
    left.kill()
    wait_until("its end", lambda: not made.left, timeout=PATIENCE)


@pytest.mark.parametrize(
    "line", ["0.0.0.0 80 x, listening", ":: 80 x, listening", " 80", "::ffff:192.0.2.1 80 x"]
)
def test_what_is_not_of_this_machine_alone_is_found(line: str) -> None:
    require_local(["::ffff:127.0.0.1 80 x", "127.0.0.2 80 x, listening", "::1 80 x"])
    with pytest.raises(CheckFailed, match="listens for them"):
        require_local([line])

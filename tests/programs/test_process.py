"""Child processes end with the process that started them, and so do their own children."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from support.programs.process import CommandTimeout, ManagedProcess, kill_all, process_tree, run_command
from support.waiting import wait_until
from tests.programs.vanishing import check_gone, is_gone
from tests.timeouts import PATIENCE

PYTHON = (sys.executable, "-ISu", "-c")
HANG = "import signal; signal.pause()"
# A parent with a child; it prints both process ids, then waits for ever.
FAMILY = f"""
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-IS", "-c", {HANG!r}])
print(os.getpid(), child.pid)
signal.pause()
"""


@pytest.fixture
def family(tmp_path: Path) -> Callable[[], tuple[ManagedProcess, list[int]]]:
    def start(script: str = FAMILY) -> tuple[ManagedProcess, list[int]]:
        out = tmp_path / "family"
        process = ManagedProcess([*PYTHON, script], stdout=out)
        output = wait_until(
            "both are there",
            lambda: out.read_text() if out.read_text().split()[:2][1:] else None,
            timeout=PATIENCE,
        )
        return process, [int(word) for word in output.split()]

    return start


def test_a_command_leaves_exit_code_texts_and_time() -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    outcome = run_command([*PYTHON, script], within=PATIENCE)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, "out\n", "err\n")
    assert 0 < outcome.seconds < PATIENCE
    assert outcome.describe().startswith(f"$ {sys.executable} -ISu -c import sys")
    assert "[exit 3 after " in outcome.describe()


def test_a_command_gets_its_environment_and_folder_and_nothing_to_read(tmp_path: Path) -> None:
    script = "import os, sys; print(os.environ.get('A'), 'HOME' in os.environ, os.getcwd(), sys.stdin.read())"
    outcome = run_command([*PYTHON, script], within=PATIENCE, env={"A": "1"}, cwd=tmp_path)
    assert outcome.stdout == f"1 False {tmp_path} \n"


def test_a_signal_is_a_negative_exit_code() -> None:
    script = "import os; os.kill(os.getpid(), 9)"
    assert run_command([*PYTHON, script], within=PATIENCE).exit_code == -signal.SIGKILL


def test_an_exit_code_is_right_where_the_signal_of_ended_children_is_ignored() -> None:
    script = (
        "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); sys.path[:0] = sys.argv[1:]\n"
        "from support.programs.process import run_command\n"
        "failing = [sys.executable, '-IS', '-c', 'raise SystemExit(3)']\n"
        f"print(run_command(failing, within={PATIENCE}).exit_code)"
    )
    outcome = run_command([sys.executable, "-c", script, Path.cwd()], within=PATIENCE)
    assert outcome.stdout == "3\n", outcome.describe()


def test_more_output_than_a_pipe_holds_does_not_block() -> None:
    outcome = run_command([*PYTHON, "print('x' * 2_000_000)"], within=PATIENCE)
    assert len(outcome.stdout) == 2_000_001
    assert len(outcome.describe()) < 5000


def test_invalid_utf8_is_not_an_error() -> None:
    script = "import os; os.write(1, bytes([255, 65]))"
    assert run_command([*PYTHON, script], within=PATIENCE).stdout == "\ufffdA"


def test_a_program_that_cannot_be_started_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        run_command([tmp_path / "none"], within=PATIENCE)


def test_a_command_that_does_not_end_is_reported_with_its_output_and_its_tree_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exited_within = ManagedProcess.exited_within

    def exited_when_both_are_there(process: ManagedProcess, within: float) -> bool:
        # To start them takes as long as the machine likes.
        (out,) = tmp_path.glob("*/stdout")
        wait_until("both are there", lambda: out.read_text().endswith("\n"), timeout=PATIENCE)
        return exited_within(process, within)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(ManagedProcess, "exited_within", exited_when_both_are_there)
    with pytest.raises(
        CommandTimeout, match=r"did not end within 0\.1 s; it had printed: '\d+ \d+"
    ) as caught:
        run_command([*PYTHON, FAMILY], within=0.1)
    check_gone([int(number) for number in re.findall(r"'(\d+) (\d+)", str(caught.value))[0]])


def test_stopping_ends_the_tree_and_may_be_repeated(
    family: Callable[..., tuple[ManagedProcess, list[int]]],
) -> None:
    process, pids = family()
    assert {member.pid for member in process_tree(process.pid)} == set(pids)
    assert process_tree(process.pid)[-1].pid == process.pid
    assert process.alive
    assert process.stop() == -signal.SIGTERM
    check_gone(pids)
    assert process.stop() == -signal.SIGTERM
    assert (process.alive, process.exit_code) == (False, -signal.SIGTERM)
    assert process_tree(process.pid) == []


def test_a_process_that_ignores_sigterm_is_killed(
    family: Callable[..., tuple[ManagedProcess, list[int]]],
) -> None:
    process, pids = family("import signal; signal.signal(15, signal.SIG_IGN)" + FAMILY)
    assert process.stop(grace=0.1) == -signal.SIGKILL
    check_gone(pids)


def test_a_stopped_tree_is_gone_although_the_kernel_is_slow(
    family: Callable[..., tuple[ManagedProcess, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed child held, a port for example, is free when the next one wants it."""
    process, pids = family("import signal; signal.signal(15, signal.SIG_IGN)" + FAMILY)
    kill = psutil.Process.kill
    monkeypatch.setattr(psutil.Process, "kill", lambda member: threading.Timer(0.3, kill, [member]).start())
    monkeypatch.setattr(os, "killpg", lambda *_: None)
    process.stop(grace=0.1)
    assert all(map(is_gone, pids))


def test_a_grandchild_outlives_its_parent_but_not_the_stop(
    family: Callable[..., tuple[ManagedProcess, list[int]]],
) -> None:
    process, pids = family()
    process.send(signal.SIGKILL)
    wait_until("the parent is dead", lambda: not process.alive, timeout=PATIENCE)
    assert not is_gone(pids[1])
    process.stop()
    check_gone(pids)


def test_waiting_gives_the_exit_code_or_ends_the_tree(
    tmp_path: Path, family: Callable[..., tuple[ManagedProcess, list[int]]]
) -> None:
    quick = ManagedProcess([*PYTHON, "raise SystemExit(4)"], stdout=tmp_path / "quick")
    assert quick.wait(PATIENCE) == 4
    process, pids = family()
    with pytest.raises(CommandTimeout, match=r"did not end within 0\.1 s"):
        process.wait(0.1)
    check_gone(pids)


def test_kill_all_ends_all_that_is_left(
    family: Callable[..., tuple[ManagedProcess, list[int]]],
) -> None:
    process, pids = family()
    assert kill_all() == 1
    check_gone(pids)
    assert not process.alive
    assert kill_all() == 0


RUNNER = """
import signal, sys
from pathlib import Path
from support.programs.process import ManagedProcess
process = ManagedProcess([sys.executable, "-IS", "-c", {hang!r}], stdout=Path({out!r}))
print(process.pid, flush=True)
{then}
"""


def runner(tmp_path: Path, then: str) -> tuple[subprocess.Popen[str], int]:
    script = RUNNER.format(hang=HANG, out=str(tmp_path / "out"), then=then)
    started = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    with started.stdout:
        return started, int(started.stdout.readline())


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux only")
def test_the_kernel_ends_the_child_of_a_killed_runner(tmp_path: Path) -> None:
    started, child = runner(tmp_path, "signal.pause()")
    assert not is_gone(child)
    started.kill()
    started.wait(PATIENCE)
    check_gone([child])


def test_the_child_of_a_runner_that_ends_ends_too(tmp_path: Path) -> None:
    started, child = runner(tmp_path, "sys.exit(7)")
    assert started.wait(PATIENCE) == 7
    check_gone([child])


HANDLED = "import signal; print(*(signal.getsignal(n) is not signal.SIG_IGN for n in (1, 2, 3)))"
IN_THE_BACKGROUND = f"""
import signal, sys
from pathlib import Path
from support.programs.process import run_command
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
done = run_command([sys.executable, "-IS", "-c", {HANDLED!r}], within={PATIENCE})
print(done.stdout)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_child_handles_signals_although_the_run_in_the_background_ignores_them(tmp_path: Path) -> None:
    """`nohup`, or `&` in a script, ignores them, and hands that down: Ctrl-C would do nothing in a chat."""
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_BACKGROUND, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=2 * PATIENCE,
    )
    assert done.stdout.split() == ["True", "True", "True"]

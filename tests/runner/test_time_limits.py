"""What takes too long is interrupted, or ends its process; the place is reported."""

from __future__ import annotations

import contextlib
import faulthandler
import math
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.errors import TimeLimitExceeded
from support.programs.deferred_interrupts import defer_interrupts, raise_interrupt
from support.runner import time_limits
from support.runner.time_limits import BudgetExceeded, Budgets, SoftLimit, budget_of_tags
from support.servers.cli_checks import CALL_SECONDS
from support.servers.mistralrs import READY_SECONDS
from tests.timeouts import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no alarm on this system")

# The second one bounds what would go on for a minute or for ever.
SHORT, LONG = 0.15, 30.0


@pytest.fixture(autouse=True)
def no_alarm_is_left() -> Iterator[None]:
    yield
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert time_limits._active is None


@pytest.fixture
def limits(tmp_path: Path) -> Iterator[Budgets]:
    made = Budgets(stacks=tmp_path / "stacks.txt")
    yield made
    made.close()
    assert not (tmp_path / "stacks.txt").exists()


# -- what hangs


def sleep() -> None:
    time.sleep(60)


def loop() -> None:
    while True:
        pass


def try_again() -> None:
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: BLE001 - what the limit has to get through
            continue


def dead_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def join_a_thread() -> None:
    thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
    thread.start()
    thread.join()


def wait_for_a_child() -> None:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], check=False)


def read_a_trickle() -> None:
    ours, theirs = socket.socketpair()
    done = threading.Event()

    def trickle() -> None:
        with theirs, contextlib.suppress(OSError):
            while not done.wait(0.02):
                theirs.send(b".")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        ours.settimeout(1)
        while ours.recv(1):
            pass
    finally:
        done.set()
        thread.join()
        ours.close()


def backtrack() -> None:
    for _ in range(100_000):
        re.match("(a+)+b", "a" * 18)


HANGS: list[Callable[[], None]] = [
    sleep,
    loop,
    try_again,
    dead_lock,
    join_a_thread,
    wait_for_a_child,
    read_a_trickle,
    backtrack,
]


@pytest.mark.parametrize("hang", HANGS)
def test_a_hang_is_interrupted_and_its_place_reported(hang: Callable[[], None]) -> None:
    started = time.monotonic()
    with pytest.raises(BudgetExceeded, match=rf"^too long; it was here:\n(?s:.*){hang.__name__}: "):  # noqa: SIM117
        with SoftLimit("too long", SHORT):
            hang()
    assert SHORT <= time.monotonic() - started < LONG


def test_the_alarm_repeats_until_it_is_handled() -> None:
    with pytest.raises(BudgetExceeded), SoftLimit("too long", SHORT):  # noqa: SIM117
        with contextlib.suppress(ZeroDivisionError):
            assert signal.getitimer(signal.ITIMER_REAL)[1] > 0
            sleep()
    with pytest.raises(BudgetExceeded), SoftLimit("too long", SHORT):
        try:
            sleep()
        finally:
            assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_ends_in_time_is_left_alone() -> None:
    with SoftLimit("too long", LONG) as limit:
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= LONG
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert limit.exceeded is None


def test_a_long_stack_is_shortened() -> None:
    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        time.sleep(60)

    with pytest.raises(BudgetExceeded) as caught, SoftLimit("too long", SHORT):
        deeper(200)
    lines = str(caught.value).splitlines()
    assert len(lines) == time_limits.MAX_FRAMES + 2
    assert " more" in lines[1 + time_limits.MAX_FRAMES // 2]


def test_a_swallowed_limit_is_raised_at_the_end() -> None:
    with pytest.raises(BudgetExceeded), SoftLimit("too long", SHORT), contextlib.suppress(BaseException):
        time.sleep(60)


class Finalized:
    """Its finalizer takes longer than the limit."""

    def __del__(self) -> None:
        until = time.monotonic() + 3 * SHORT
        while time.monotonic() < until:
            pass


def test_a_limit_that_was_raised_in_a_finalizer_is_raised_after_it(
    recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    hook, started = sys.unraisablehook, time.monotonic()
    with pytest.raises(BudgetExceeded, match="sleep"), SoftLimit("too long", SHORT):
        Finalized()
        sleep()
    assert time.monotonic() - started < LONG
    assert sys.unraisablehook is hook
    assert not list(recwarn)
    assert not capsys.readouterr().err


def test_what_else_is_raised_in_a_finalizer_is_shown_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: shown.append(unraisable.exc_type))

    class Broken:
        def __del__(self) -> None:
            raise ValueError

    with SoftLimit("too long", LONG):
        Broken()
    assert shown == [ValueError]


def test_who_releases_something_is_not_interrupted_again() -> None:
    released = []

    @contextlib.contextmanager
    def server() -> Iterator[None]:
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):
                raise ValueError
            time.sleep(2 * SHORT)
            released.append("the server")

    with pytest.raises(BudgetExceeded), SoftLimit("too long", SHORT), server():
        time.sleep(60)
    assert released


def test_an_error_while_releasing_does_not_hide_the_limit() -> None:
    with pytest.raises(BudgetExceeded) as caught, SoftLimit("too long", SHORT):
        try:
            time.sleep(60)
        finally:
            raise OSError("cannot be released")
    assert isinstance(caught.value.__cause__, OSError)


# -- limits in limits


def test_the_outer_limit_is_in_force_inside_of_it() -> None:
    with pytest.raises(BudgetExceeded, match="outer"), SoftLimit("outer", SHORT):  # noqa: SIM117
        with SoftLimit("inner", SHORT / 3) as inner:
            time.sleep(60)
    assert inner.exceeded is None


def test_the_end_of_an_inner_limit_leaves_the_outer_one() -> None:
    with SoftLimit("outer", 2 * LONG):
        with SoftLimit("inner", LONG):
            pass
        assert LONG < signal.getitimer(signal.ITIMER_REAL)[0] <= 2 * LONG


def test_work_in_a_step_has_the_limits_of_the_step(limits: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "STEP_SECONDS", SHORT)
    limits.begin("toy", None)
    with pytest.raises(TimeLimitExceeded, match="in Then x"):
        limits.run("step", "Then x", lambda: limits.run("step", "Then y", sleep))


# -- interruptions


def test_a_limit_waits_for_what_has_to_be_finished() -> None:
    done = []
    with pytest.raises(BudgetExceeded), SoftLimit("too long", SHORT), defer_interrupts():
        time.sleep(2 * SHORT)
        done.append("finished")
    assert done == ["finished"]


def test_a_limit_that_was_left_does_not_come_later() -> None:
    with defer_interrupts(), pytest.raises(BudgetExceeded), SoftLimit("too long", SHORT):
        time.sleep(2 * SHORT)


def test_ctrl_c_counts_more_than_a_limit() -> None:
    with pytest.raises(KeyboardInterrupt), SoftLimit("too long", SHORT), defer_interrupts():
        time.sleep(2 * SHORT)
        raise_interrupt("enough")
    with pytest.raises(KeyboardInterrupt), SoftLimit("too long", 4 * SHORT):
        try:
            raise_interrupt("enough")
        finally:
            time.sleep(5 * SHORT)


def test_in_another_thread_there_is_no_soft_limit() -> None:
    done = []

    def work() -> None:
        with SoftLimit("too long", SHORT / 3):
            time.sleep(SHORT)
        done.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["done"]


# -- the budgets of a run


def test_a_tag_gives_a_budget_and_the_nearest_counts() -> None:
    assert budget_of_tags(["normal"], {"smoke"}) is None
    assert budget_of_tags(["normal"], {"smoke", "budget.20s"}) == 20
    assert budget_of_tags(["budget.5s"], {"budget.5s", "budget.20s"}) == 5


def test_a_step_may_wait_for_all_that_it_waits_for() -> None:
    assert max(READY_SECONDS, CALL_SECONDS) < time_limits.STEP_SECONDS < time_limits.SCENARIO_SECONDS


def test_a_step_over_its_budget_fails(limits: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "STEP_SECONDS", SHORT)
    limits.begin("toy", None)
    with pytest.raises(
        TimeLimitExceeded, match=r"^the step exceeded its budget of 0\.15 s in Then x; it was"
    ):
        limits.run("step", "Then x", sleep)
    assert limits.run("step", "Then y", lambda: 7) == 7
    assert limits.end() is None


def test_a_step_may_read_what_it_has_left(limits: Budgets) -> None:
    assert limits.step_seconds_left() == math.inf
    limits.begin("toy", 100.0)
    assert 90 < limits.run("step", "Given x", limits.step_seconds_left) <= 100
    limits.begin("toy", None)
    assert limits.run("step", "When x", limits.step_seconds_left) > time_limits.STEP_SECONDS - 10
    assert limits.step_seconds_left() == math.inf


def test_steps_that_are_too_long_together_fail(limits: Budgets) -> None:
    limits.begin("toy", 1.0)
    limits.run("step", "Given x", lambda: time.sleep(SHORT))
    left = []

    def look() -> None:
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])
        sleep()

    with pytest.raises(TimeLimitExceeded, match=r"^the scenario exceeded its budget of 1 s in Then y"):
        limits.run("step", "Then y", look)
    assert left[0] <= 1.0 - SHORT
    assert re.fullmatch(r"the scenario exceeded its budget of 1 s: it took \d+\.\d s", str(limits.end()))
    assert limits.end() is None


def test_what_releases_has_time_after_the_scenario_has_spent_its_own(limits: Budgets) -> None:
    limits.begin("toy", SHORT)
    with pytest.raises(TimeLimitExceeded):
        limits.run("step", "Then x", sleep)
    for kind, name in (("hook", "after_scenario"), ("cleanup", "close")):
        limits.run(kind, name, lambda: time.sleep(SHORT / 3))  # type: ignore[arg-type]
    with pytest.raises(TimeLimitExceeded, match="in before_tag"):
        limits.run("hook", "before_tag", sleep)


def test_a_cleanup_has_its_own_budget(limits: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "HOOK_SECONDS", SHORT)
    with pytest.raises(TimeLimitExceeded, match=r"^the cleanup exceeded its budget of 0\.15 s in close"):
        limits.run("cleanup", "close", sleep)


def test_slow_machines_have_more_time(tmp_path: Path) -> None:
    slow = Budgets(factor=LONG / SHORT, stacks=tmp_path / "stacks.txt")
    slow.begin("toy", SHORT)
    slow.run("step", "Then x", lambda: time.sleep(2 * SHORT))
    assert slow.end() is None
    slow.close()


def test_budgets_cost_next_to_nothing_per_scenario(limits: Budgets) -> None:
    def scenario() -> float:
        started = time.process_time()
        limits.begin("toy", None)
        for _ in range(7):
            limits.run("step", "Then x", int)
        for _ in range(3):
            limits.run("cleanup", "close", int)
        limits.end()
        return time.process_time() - started

    # Half a millisecond where this was written; others are slower, and the shortest scenarios take ten.
    assert min(scenario() for _ in range(50)) < 0.005


def test_a_scenario_has_one_hard_limit_and_its_cleanups_their_own(
    limits: Budgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed: list[float] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda s, **_: armed.append(s))
    limits.begin("toy", 60.0)
    for kind, label in (("hook", "before_scenario"), ("step", "Given x"), ("step", "Then y")):
        limits.run(kind, label, int)  # type: ignore[arg-type]
    limits.run("hook", "after_scenario", int)
    limits.run("cleanup", "close", int)
    limits.end()
    limits.begin("toy", 50.0)
    limits.run("step", "Given x", int)
    limits.end()
    release = time_limits.RELEASE_SECONDS
    own = time_limits.HOOK_SECONDS + release
    assert armed == [pytest.approx(60 + release, abs=1), own, own, pytest.approx(50 + release, abs=1)]


# -- the hard limit, in a process of its own

HARD = """
import itertools, sys, time
from pathlib import Path
from support.runner import time_limits
from support.runner.time_limits import Budgets

time_limits.RELEASE_SECONDS = 1.0

def compute():
    sum(itertools.repeat(1))

def swallow():
    while True:
        try:
            time.sleep(0.01)
        except:
            pass

def swallow_once():
    try:
        time.sleep(60)
    except BaseException:
        time.sleep(60)


limits = Budgets(stacks=Path(sys.argv[1]))
limits.begin("the toy", 0.2)
limits.run("hook", "before_scenario", int)
limits.run("step", "Given w", int)
limits.run("step", "Then x", globals()[sys.argv[2]])
"""


@pytest.mark.parametrize("hang", ["compute", "swallow", "swallow_once"])
def test_what_cannot_be_interrupted_ends_its_process(tmp_path: Path, hang: str) -> None:
    stacks = tmp_path / "stacks.txt"
    ended: Any = subprocess.run(
        [sys.executable, "-c", HARD, str(stacks), hang], capture_output=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 1, ended
    text = stacks.read_text()
    assert text.startswith("the scenario exceeded its budget of 0.2 s in Then x, "), text
    assert "and did not end within 1 s of its interruption" in text
    assert f"in {hang}\n" in text


def test_lifted_limits_are_gone(tmp_path: Path) -> None:
    limits = Budgets(stacks=tmp_path / "stacks.txt")
    limits.begin("toy", SHORT)

    def look() -> None:
        limits.disable()
        time.sleep(2 * SHORT)

    limits.run("step", "Then x", look)
    limits.run("step", "Then y", lambda: time.sleep(2 * SHORT))
    assert limits.end() is None
    limits.close()

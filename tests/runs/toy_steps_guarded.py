"""The steps of the toy suite."""

import asyncio
import base64
import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from behave import given, then
from behave.runner import Context

from support.errors import NotSupported
from support.http.client import ApiClient
from support.programs.process import ManagedProcess
from support.results.check import CheckResult
from support.waiting import wait_until

if "--define=toy.killed=import" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)

LISTENER = """
import pathlib, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
pathlib.Path("port.part").write_text(str(listener.getsockname()[1]))
pathlib.Path("port.part").rename("port")
listener.accept()
"""


@given("{one:d} is {other:d}")
@then("{one:d} is {other:d}")
def equal(context: Context, one: int, other: int) -> None:
    assert one == other, f"expected {other}, got {one}"


@then("the harness breaks")
def harness_breaks(context: Context) -> None:
    raise OSError("no room on the disk")


@then("a server that hangs answers")
def hanging(context: Context) -> None:
    with contextlib.closing(ApiClient(context.config.userdata["toy.url"], timeout=0.3)) as client:
        client.post("/v1/chat/completions", {})


@then("there is no such route")
def not_offered(context: Context) -> None:
    raise NotSupported("the toy server has no such route")


@then("there is no such route every other time")
def offered_in_turns(context: Context) -> None:
    mark = Path("offered")
    if mark.exists():
        raise NotSupported("the toy server has no such route")
    mark.touch()


@then("no variable of another program is set")
def no_foreign_variables(context: Context) -> None:
    assert not {"OPENAI_API_KEY", "OLLAMA_HOST"} & os.environ.keys()


@then("the key is printed")
def printed(context: Context) -> None:
    key = os.environ["TARGET_API_KEY"]

    def print_again() -> None:
        raise RuntimeError(f"cannot close the session of {key}")

    context.add_cleanup(print_again)
    print("printed:", key)
    print("printed:", key, file=sys.stderr)
    logging.getLogger("toy").warning("logged: %s", key)
    try:
        raise ValueError(f"from {key}")
    except ValueError as error:
        encoded = base64.b64encode(key.encode()).decode()
        raise AssertionError(f"refused for {key!r}, {encoded}, Bearer {key}") from error


@then("the step is looked at")
def looked_at(context: Context) -> None:
    breakpoint()


@then("the step calls sys.exit")
def leaves(context: Context) -> None:
    sys.exit(0)


@given("a cleanup that breaks")
def unclean(context: Context) -> None:
    def give_up() -> None:
        raise RuntimeError("the port is still taken")

    context.add_cleanup(give_up)


@given("a cleanup that takes long")
def slow_cleanup(context: Context) -> None:
    def linger() -> None:
        Path("lingering").write_text("now")
        wait_until("the end of days", lambda: None, timeout=60)

    context.add_cleanup(linger)


@given("a child that listens")
def child(context: Context) -> None:
    here = Path.cwd()
    process = ManagedProcess([sys.executable, "-c", LISTENER, str(here)], stdout=here / "child.log")
    wait_until("the child listens", (here / "port").exists, timeout=60, alive=lambda: process.alive)


@then("the step waits long")
def waits(context: Context) -> None:
    Path("waiting").write_text("now")
    wait_until("the end of days", lambda: None, timeout=60)


@then("this is the first time")
def first_time(context: Context) -> None:
    Path("been here").touch(exist_ok=False)


@then("the step sleeps for ever")
def sleeps(context: Context) -> None:
    while True:
        try:
            time.sleep(3600)
        except Exception:
            continue


@then("the step loops for ever")
def loops(context: Context) -> None:
    while True:
        pass


@then("the step reads a stream without end")
def reads(context: Context) -> None:
    ours, theirs = socket.socketpair()
    threading.Thread(target=trickle, args=(theirs,), daemon=True).start()
    ours.settimeout(1)
    while ours.recv(1):
        pass


def trickle(there: socket.socket) -> None:
    while True:
        there.send(b".")
        time.sleep(0.05)


@then("the step never returns from C")
def computes(context: Context) -> None:
    sum(itertools.repeat(1))


@then("the step awaits for ever")
async def awaits(context: Context) -> None:
    await asyncio.sleep(3600)


@then("the step awaits a moment")
async def awaits_a_moment(context: Context) -> None:
    await asyncio.sleep(0.01)


@given("a cleanup that is not awaited")
def async_cleanup(context: Context) -> None:
    async def close() -> None:
        raise RuntimeError("never seen")

    context.add_cleanup(close)


@then("the process ends at once")
def ends_at_once(context: Context) -> None:
    print("captured output")
    print("last output", file=sys.__stdout__, flush=True)
    os.write(2, b"output of a library\n")
    os._exit(0)


@then("the process is killed")
def is_killed(context: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@then("the process is killed in the second of three checks")
def is_killed_in_a_group(context: Context) -> None:
    checks = [
        CheckResult(f"openai.toy.{name}", f"the case {name}", "toys", "must", "not_run") for name in "abc"
    ]
    context.suite.report_checks(checks)
    context.suite.report_checks([replace(checks[0], status="passed")])
    os.kill(os.getpid(), signal.SIGKILL)


@then("the interval of {name} is recorded")
def record_interval(context: Context, name: str) -> None:
    begun = time.monotonic()
    time.sleep(0.3)
    line = json.dumps({"name": name, "begun": begun, "ended": time.monotonic(), "worker": os.getpid()})
    with Path("intervals.jsonl").open("a") as file:
        file.write(line + "\n")


@then("{one} meets {other}")
def meets(context: Context, one: str, other: str) -> None:
    """Only in two processes at the same time."""
    Path(f"{one}.here").touch()
    wait_until(f"{other} comes", Path(f"{other}.here").exists, timeout=60)

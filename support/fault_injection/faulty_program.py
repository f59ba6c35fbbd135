"""A program that stands for a server's program: the real one with a fault in front of it.

`python -m support.fault_injection.faulty_program PLAN ARGUMENT...`: PLAN is a JSON file (`Plan`). Commands
that serve (`serve --port`, `mistralrs-gateway --target`, `ollama serve`, `prometheus --web.listen-address=`)
get a proxy in front of them, on the port that was given; all others are replaced by the real program, unless
the plan changes their behaviour.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import json
import os
import re
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from support.fault_injection.fault_notes import APPLIED, NOTES, add_note
from support.programs.process import child_preexec

if TYPE_CHECKING:
    from support.fault_injection.fault_proxy import FaultProxy

Note = Callable[[str], None]
PORT_POLL_SECONDS = 0.02
CONNECT_SECONDS, HELD_SECONDS = 1.0, 0.5
# Those of `Plan.command`.
COMMAND_KEYS = frozenset(
    {
        *(
            "arguments",
            "replace_arguments",
            "exit_code",
            "output",
            "input",
            "streams",
            "as_lines",
            "terminal",
        ),
        *("late", "hangs", "prints", "output_end", "connects", "ignores_proxies", "crash", "memory"),
    }
)
# Of Prometheus and Alertmanager.
_LISTEN = "--web.listen-address="
_ADDRESS = re.compile(rb"(127\.0\.0\.1|localhost|0\.0\.0\.0):(\d+)")


@dataclass(frozen=True)
class Plan:
    """What the program does otherwise.

    `program`: the command of the real one; or `url`, a server that runs already.
    `http`: faults of its exchanges (`http_fault.py`: `on` and the rest).
    `command`: changes of its behaviour, for the command lines that `arguments` (a pattern) matches:
    `replace_arguments` (pairs of pattern and text), `exit_code`, `output` (such pairs, for each line of both
    streams), `input` (such pairs), `streams` (`swapped`), `as_lines` (output comes line by line),
    `terminal` (`raw`: its settings are not restored), `late` (seconds until the port is bound), `hangs`,
    `prints` (text before all else), `output_end` (text after it),
    `connects` (an address, through a proxy unless `ignores_proxies`), `crash` (it ends by this signal),
    `memory` (bytes that it holds)."""

    program: tuple[str, ...] = ()
    url: str = ""
    http: tuple[Mapping[str, Any], ...] = ()
    command: tuple[Mapping[str, Any], ...] = field(default=())

    @classmethod
    def read(cls, file: Path) -> Plan:
        """From its file."""
        stated = json.loads(file.read_text(encoding="utf-8"))
        return cls(tuple(stated["program"]), stated["url"], tuple(stated["http"]), tuple(stated["command"]))

    def write(self, file: Path) -> None:
        """To a file."""
        stated = {name: getattr(self, name) for name in ("program", "url", "http", "command")}
        file.write_text(json.dumps(stated), encoding="utf-8")


def write_program(folder: Path, name: str, plan: Plan) -> Path:
    """An executable file that is the program with its faults."""
    plan_file = folder / f"{name}.json"
    plan.write(plan_file)
    program = folder / name
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m {__name__} "{plan_file}" "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    return program


def main(words: Sequence[str]) -> NoReturn:
    """Behave as the plan in the first word says, with the other ones as arguments."""
    plan = Plan.read(Path(words[0]))
    note = functools.partial(add_note, Path(words[0]).with_suffix(NOTES))
    if plan.url:
        asyncio.run(_serve_url(plan, note))
    does, arguments = _changes(plan, words[1:])
    serves = _serving(arguments)
    command = [*plan.program, *arguments]
    if serves is None and not does:
        os.execvp(plan.program[0], command)
    if does:
        note(APPLIED)
        _begin(does)
    if serves is None:
        _exit_as(_run(command, does))
    try:
        code = asyncio.run(_serve(plan, arguments, serves, does, note))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        code = _run(command, does)
    _exit_as(code)


def _changes(plan: Plan, words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """What is changed for this command line, and its arguments then."""
    does: dict[str, Any] = {}
    for change in plan.command:
        if re.search(change.get("arguments", ""), " ".join(words)):
            does |= change
    arguments = list(words)
    for pattern, text in does.get("replace_arguments", ()):
        arguments = [word for word in (re.sub(pattern, text, word) for word in arguments) if word]
    return does, arguments


def _begin(does: Mapping[str, Any]) -> None:
    if does.get("prints"):
        print(does["prints"], flush=True)
    if does.get("crash"):
        os.kill(os.getpid(), signal.Signals[does["crash"]])
    if does.get("connects"):
        _connect(does["connects"], ignores_proxies=does.get("ignores_proxies", False))


def _run(command: Sequence[str], does: Mapping[str, Any]) -> int:
    """One that does not serve."""
    from support.fault_injection.faulty_command import run_command

    return run_command(command, does)


def _connect(address: str, *, ignores_proxies: bool) -> None:
    """As a client of https does; whether it succeeds is the same."""
    proxy = urlsplit("" if ignores_proxies else os.environ.get("HTTPS_PROXY", ""))
    host, _, port = (proxy.netloc or address).rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), CONNECT_SECONDS) as client:
        client.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        # Clients keep a connection for their next request.
        select.select([], [], [], HELD_SECONDS)


def _exit_as(code: int) -> NoReturn:
    """With that exit code, or by that signal."""
    if code < 0:
        # SIGKILL has no handler that could be set.
        with contextlib.suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _serving(arguments: Sequence[str]) -> str | None:
    """The port that the command serves on, `0` for one of its choice; None when it does not serve."""
    if "--target" in arguments:
        return arguments[arguments.index("--port") + 1] if "--port" in arguments else "0"
    for argument in arguments:
        if argument.startswith(_LISTEN):
            return argument.rpartition(":")[2]
    if arguments[:1] == ["serve"] and "OLLAMA_HOST" in os.environ:
        return os.environ["OLLAMA_HOST"].rpartition(":")[2]
    if arguments[:-1].count("--port") == 1 and not {"--help", "-h"} & {*arguments}:
        port = arguments[arguments.index("--port") + 1]
        return port if port.isdigit() and 0 < int(port) < 65536 else None
    return None


async def _serve(plan: Plan, arguments: list[str], port: str, does: Mapping[str, Any], note: Note) -> int:
    from support.fault_injection.fault_proxy import FaultProxy

    held = b"x" * does.get("memory", 0)
    own_port = _free_port()
    environment = dict(os.environ)
    if "OLLAMA_HOST" in environment:
        environment["OLLAMA_HOST"] = f"127.0.0.1:{own_port}"
    elif "--port" in arguments:
        arguments[arguments.index("--port") + 1] = str(own_port)
    elif own_address := [argument for argument in arguments if argument.startswith(_LISTEN)]:
        arguments[arguments.index(own_address[0])] = f"{_LISTEN}127.0.0.1:{own_port}"
    else:
        arguments += ["--port", str(own_port)]
    # Before the server is started: one whose port is taken reports that itself.
    listeners = {own_port: _bound(int(port))}
    if "--mcp-port" in arguments[:-1]:
        at = arguments.index("--mcp-port") + 1
        if arguments[at] == port:
            # The server has to see that it is one port.
            arguments[at] = str(own_port)
        elif arguments[at].isdigit():
            mcp_port = _free_port()
            listeners[mcp_port] = _bound(int(arguments[at]))
            arguments[at] = str(mcp_port)
    ports = {inner: listener.getsockname()[1] for inner, listener in listeners.items()}
    child = await asyncio.create_subprocess_exec(
        *plan.program,
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 24,
        preexec_fn=child_preexec(),
    )
    _forward_signals(child)
    faults = _http_faults(plan)
    async with contextlib.AsyncExitStack() as open_ports:
        opening = []
        for inner, listener in listeners.items():
            proxy = FaultProxy(f"http://127.0.0.1:{inner}", faults, child.kill, note)
            opening.append(
                asyncio.create_task(_open(open_ports, proxy, inner, listener, does.get("late", 0)))
            )
        ended = asyncio.create_task(child.wait())
        # A server that ends first never listens.
        either = [*opening[:1], ended]
        copying = asyncio.create_task(_copy_output(child, ports, does.get("output", ()), either))
        code = await ended
        await copying
        for task in opening:
            task.cancel()
    if does.get("hangs"):
        await asyncio.Event().wait()
    del held
    return int(does.get("exit_code", code))


async def _serve_url(plan: Plan, note: Note) -> NoReturn:
    """In front of a server that runs, until this is ended."""
    from support.fault_injection.fault_proxy import FaultProxy

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    async with FaultProxy(plan.url, _http_faults(plan), lambda: None, note).listening(listener):
        print(f"Listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await asyncio.Event().wait()
    raise AssertionError


def _http_faults(plan: Plan) -> list[Any]:
    from support.fault_injection.http_fault import HttpFault

    return [
        HttpFault(fault.get("on", {}), {name: what for name, what in fault.items() if name != "on"})
        for fault in plan.http
    ]


async def _open(
    stack: contextlib.AsyncExitStack, proxy: FaultProxy, inner: int, listener: socket.socket, late: float
) -> None:
    """Listen as soon as the server itself does."""
    while not _listens(inner):
        await asyncio.sleep(PORT_POLL_SECONDS)
    await asyncio.sleep(late)
    await stack.enter_async_context(proxy.listening(listener))


def _bound(port: int) -> socket.socket:
    """A socket that does not listen yet; raises OSError when the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def _copy_output(
    child: asyncio.subprocess.Process,
    ports: Mapping[int, int],
    changes: Sequence[Sequence[str]],
    awaited: Sequence[asyncio.Task[Any]],
) -> None:
    """`awaited`: when the first one has ended, the line with the address is copied: its reader connects."""
    assert child.stdout is not None

    def outer(match: re.Match[bytes]) -> bytes:
        return match[1] + b":%d" % ports.get(int(match[2]), int(match[2]))

    async for line in child.stdout:
        if b"istening on" in line:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        text = _ADDRESS.sub(outer, line)
        for pattern, by in changes:
            text = re.sub(pattern.encode(), by.encode(), text)
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()


def _forward_signals(child: asyncio.subprocess.Process) -> None:
    loop = asyncio.get_running_loop()

    def forward(number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, forward, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main(sys.argv[1:])

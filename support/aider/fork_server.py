"""Runs Aider's command line in forks of a process that has imported it: 0.5 s for a run instead of 3.5 s.

Executed by the Python of Aider's environment, with its standard library only:

    python fork_server.py serve SOCKET            imports Aider, then forks once per connection
    python -I -S fork_server.py run SOCKET ...    stands for `aider ...`: passes its arguments, environment,
                                                  folder and standard streams on, and exits as the fork does
    python -I fork_server.py start MODULE ...     runs the command line of another module, without a fork

A fork ends when its `run` process ends, and when the server ends. With the variable `ACCEPTANCE_CONNECTIONS`
each address that a process connects to, looks up or listens on is a line of that file.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import importlib
import importlib.resources
import json
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

# Signals that a terminal or its user sends to the `run` process.
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH")
CONNECTIONS = "ACCEPTANCE_CONNECTIONS"
# What each run imports when it needs it: Aider in a thread, litellm at the first request.
IMPORTED_LATER = (
    *("networkx", "numpy", "httpcore", "socksio", "tiktoken_ext.openai_public", "openai.resources.chat"),
    *("litellm.litellm_core_utils.default_encoding", "litellm.llms.openai.openai"),
)
LENGTH = struct.Struct("!I")
STREAMS = 3
# Events of Python's audit (its documentation, Audit events table): those of connections, and of look-ups.
CONNECTING = ("socket.connect", "socket.sendto", "socket.bind")
LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname")


def _record_connections() -> None:
    """From now on, in this process and its forks; what a fork records goes to the file of its environment."""

    def record(event: str, arguments: tuple[Any, ...]) -> None:
        if event in LOOK_UPS:
            address = (*arguments, None)[:2]
        elif event in CONNECTING and isinstance(arguments[1], tuple):
            address = arguments[1][:2]
        else:
            return
        if file := os.environ.get(CONNECTIONS):
            with open(file, "a", encoding="utf-8") as opened:  # noqa: PTH123 - pathlib is not imported here
                opened.write(f"{address[0]} {address[1]}\n")

    sys.addaudithook(record)


def _preload() -> Callable[[list[str]], int | None]:
    # Of another environment: no dependency of this project.
    entry: Callable[[list[str]], int | None] = importlib.import_module("aider.main").main
    # Aider imports litellm in a thread at its first request; a fork would do so each time.
    importlib.import_module("aider.llm").litellm._load_litellm()  # noqa: SLF001 - as Aider's own main does
    # A fork has one thread: numpy starts others.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # Versions of Aider and its dependencies differ in what they have.
    with contextlib.suppress(ImportError):
        _parse_own_metadata()
    for name in IMPORTED_LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    return entry


def _parse_own_metadata() -> None:
    """Aider parses its list of models in each run, which takes as long as the rest of it: a fork has it."""
    json5: Any = importlib.import_module("json5")
    parsed = functools.lru_cache(maxsize=None)(json5.loads)
    json5.loads = lambda text: copy.deepcopy(parsed(text))
    own = importlib.resources.files("aider.resources").joinpath("model-metadata.json")
    with contextlib.suppress(OSError):
        json5.loads(own.read_text(encoding="utf-8"))


def serve(path: str) -> None:
    """Until it is killed."""
    _record_connections()
    main = _preload()
    woken, waker = socket.socketpair()
    for end in (woken, waker):
        end.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    listener = socket.socket(socket.AF_UNIX)
    _in_folder_of(path, lambda name: _listen(listener, name))
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    running: dict[socket.socket, int] = {}
    while True:
        for key, _ in selector.select():
            ready: Any = key.fileobj
            if ready is listener:
                connection, _ = listener.accept()
                if (pid := _fork(connection, main)) is not None:
                    running[connection] = pid
                    selector.register(connection, selectors.EVENT_READ)
            elif ready is woken:
                with contextlib.suppress(BlockingIOError):
                    woken.recv(4096)
            elif ready in running:
                _signal_or_end(ready, running[ready])
        for connection, pid in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                # What it has left in the background: a number is not used again while a group has it.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                with contextlib.suppress(OSError):
                    connection.sendall(LENGTH.pack(os.waitstatus_to_exitcode(status) & 0xFF))
                selector.unregister(connection)
                connection.close()
                del running[connection]


def _fork(connection: socket.socket, main: Callable[[list[str]], int | None]) -> int | None:
    descriptors: list[int] = []
    try:
        header, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, STREAMS)
        if len(header) < LENGTH.size or len(descriptors) < STREAMS:
            raise ConnectionError("the request has no streams")
        request = json.loads(_receive(connection, LENGTH.unpack(header)[0]))
    except ConnectionError:
        # The `run` process was killed while it sent.
        for descriptor in descriptors:
            os.close(descriptor)
        connection.close()
        return None
    parent = os.getpid()
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        return pid
    code = 1
    try:
        _become(request, descriptors, parent)
        connection.close()
        code = main(request["arguments"]) or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the fork must not return into the server's loop
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _become(request: dict[str, Any], descriptors: list[int], parent: int) -> None:
    """In the fork: what the `run` process would be if it had started Aider itself."""
    # httpcore 1.0.9 locks a pool of connections twice, for ever, when the collector finds a stream that broke
    # off while a request begins (encode/httpcore#1108). That is no failure of the server; a run is short.
    gc.disable()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    _end_with(parent)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = ["aider", *request["arguments"]]


def _end_with(parent: int) -> None:
    """The kernel kills this process when its parent has ended (Linux, prctl(2))."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _signal_or_end(connection: socket.socket, pid: int) -> None:
    """The `run` process has got a signal, or has ended."""
    try:
        received = connection.recv(1)
    except ConnectionError:
        received = b""
    with contextlib.suppress(ProcessLookupError):
        if received:
            os.kill(pid, received[0])
        else:
            os.killpg(pid, signal.SIGKILL)


def _listen(listener: socket.socket, name: str) -> None:
    # Who sees the socket may connect: it gets its name when it listens.
    listener.bind(f"{name}.new")
    listener.listen()
    os.rename(f"{name}.new", name)  # noqa: PTH104 - pathlib is not imported here


def _in_folder_of(path: str, use: Callable[[str], None]) -> None:
    """Call `use` with the name of a socket, in its folder: an address has 107 bytes at most (unix(7))."""
    folder, name = os.path.split(path)
    here = os.getcwd()  # noqa: PTH109 - pathlib is not imported here
    os.chdir(folder)
    try:
        use(name)
    finally:
        os.chdir(here)


def _receive(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise ConnectionError("the request is incomplete")
        data += part
    return data


def run(path: str, arguments: list[str]) -> int:
    """Run Aider in a fork of the server; its exit code."""
    request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
    data = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        _in_folder_of(path, connection.connect)
        for name in FORWARDED:
            signal.signal(getattr(signal, name), lambda number, _: connection.send(bytes([number])))
        socket.send_fds(connection, [LENGTH.pack(len(data))], list(range(STREAMS)))
        connection.sendall(data)
        return int(LENGTH.unpack(_receive(connection, LENGTH.size))[0])


def start(module: str, arguments: list[str]) -> int | None:
    """Run the `main` of a module of this environment; its exit code."""
    _record_connections()
    sys.argv = [module.partition(".")[0], *arguments]
    code: int | None = importlib.import_module(module).main(arguments)
    return code


if __name__ == "__main__":
    mode, place, *rest = sys.argv[1:]
    if mode == "start":
        sys.exit(start(place, rest))
    if mode == "serve":
        serve(place)
    sys.exit(run(place, rest))

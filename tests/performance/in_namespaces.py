"""A master and two workers, each in a network namespace of its own, as on three machines.

unshare --map-root-user --net python -m tests.performance.in_namespaces FOLDER

This process is the machine of the master and of the server under test; each worker is behind a link of its
own, with no other way to them. Prints exit codes and output as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from support.performance.ground_truth.server import Schedule, synthetic_server
from support.programs.process import run_command
from support.settings import default_cache
from support.waiting import wait_until
from tests.http.tls_tunnel import plain_tunnel
from tests.performance.programs import ACCEPTANCE, Program
from tests.timeouts import PATIENCE

ANSWER = Schedule(ttft_us=20_000, itl_us=5_000, tokens=8)
SERVER = "10.77.0.1"
# What a worker's namespace does as soon as its end of the link is there.
_JOIN = (
    "read -r _ && ip link set lo up && ip addr add $1.2/24 dev $2 && ip link set $2 up && "
    'ip route add default via $1.1 && shift 2 && exec "$@"'
)


def main() -> int:
    folder = Path(sys.argv[1])
    ip("link", "set", "lo", "up")
    ip("addr", "add", f"{SERVER}/32", "dev", "lo")
    with ExitStack() as cleanup:
        url = cleanup.enter_context(
            plain_tunnel(cleanup.enter_context(synthetic_server(default_cache())), SERVER)
        )
        master = Program(
            folder / "master.log",
            *("load", "--target", url, "--model", ANSWER.model, "--output-tokens", "8", "--users", "4"),
            *("--requests", "12", "--workers", "2", "--listen", f"{SERVER}:0", "--folder", str(folder)),
        )
        cleanup.callback(master.process.stop, grace=0)
        address = master.printed(r"master: (\S+); workers to come")[1]
        workers = [worker(number, address, folder, cleanup) for number in (1, 2)]
        code, _ = master.ended()
        ended = [one.ended() for one in workers]
        print(json.dumps({"code": code, "output": master.output, "workers": ended}))
    return 0


def worker(number: int, master: str, folder: Path, cleanup: ExitStack) -> Program:
    """In a namespace of its own, behind the link 10.77.NUMBER."""
    here, there, net = f"master{number}", f"worker{number}", f"10.77.{number}"
    reading, writing = os.pipe()
    join = ("unshare", "--net", "sh", "-c", _JOIN, "sh", net, there)
    program = Program(
        folder / f"{there}.log", "load-worker", "--master", master, before=(*join, *ACCEPTANCE), stdin=reading
    )
    cleanup.callback(program.process.stop, grace=0)
    os.close(reading)
    own = Path("/proc/self/ns/net").readlink()
    pid = program.process.pid
    wait_until(
        "the namespace of the worker",
        lambda: Path(f"/proc/{pid}/ns/net").readlink() != own,
        timeout=PATIENCE,
        alive=lambda: program.process.alive,
    )
    ip("link", "add", here, "type", "veth", "peer", "name", there)
    ip("link", "set", there, "netns", str(pid))
    ip("addr", "add", f"{net}.1/24", "dev", here)
    ip("link", "set", here, "up")
    os.write(writing, b"\n")
    os.close(writing)
    return program


def ip(*words: str) -> None:
    done = run_command(["ip", *words], within=PATIENCE)
    if done.exit_code:
        raise OSError(done.describe())


if __name__ == "__main__":
    sys.exit(main())

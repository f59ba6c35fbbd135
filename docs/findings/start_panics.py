"""A start panics at random (0.8.1)

Steps: start the server some hundred times and wait until it is ready.

Expected: it gets ready each time.

Received: once in some hundred starts it ends with exit code 101 and `TryLockError` (`mistralrs-core`,
`lib.rs:733`) before it is ready. A second start of the same command succeeds.

The script starts `--program` up to `--starts` times, and stops at the first panic. That it is not seen
proves nothing.
"""

from __future__ import annotations

import http.client
from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, free_port, model_arguments, panic_line, run, started, wait_until


def ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def check(options: Namespace) -> Iterator[Defect]:
    model = model_arguments(options.file)
    if options.starts < 1:
        raise CannotDecide(f"--starts {options.starts}: give 1 or more")
    for number in range(1, options.starts + 1):
        port = free_port()
        with started([options.program, "serve", "--port", str(port), *model]) as (process, output):
            wait_until(lambda process=process, port=port: process.poll() is not None or ready(port), 120)  # type: ignore[misc]
            code, log = process.poll(), output()
            if code is None and not ready(port):
                raise CannotDecide(f"start {number} was not ready within 120 s: {panic_line(log)}")
        if code == 101:
            yield Defect(
                f"start {number} of mistralrs serve",
                f"exit code 101: {panic_line(log)}",
                "a server that gets ready",
            )
            return
        if code is not None:
            raise CannotDecide(f"the program ended with exit code {code}: {panic_line(log)}")


if __name__ == "__main__":
    run(check, __doc__, "program", "file", "starts")

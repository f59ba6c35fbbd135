"""Generation continues after a client has disconnected from a non-streamed answer (0.8.1, 0.9.2)

Steps: request a long non-streamed answer, close the connection after 0.3 s, and look whether the server
still works.

Expected: generation ends, as it does when a client disconnects from a stream. Nobody can receive the answer
any more, and a client that repeats its request after a time-out adds another one each time.

Received: the answer is generated to its limit. 0.8.1 uses a whole core until then; in 0.9.2
`mistralrs_tokens_processed_total` of `/metrics` increases, and no sequence is counted as canceled.

The script looks at `/metrics`, or at the CPU time of `--pid` where there are no metrics. The answer has to
take two seconds or more: with a fast model that ends early it cannot decide. The model of `acceptance
model` never ends this answer.
"""

from __future__ import annotations

import re
import time
from argparse import Namespace
from collections.abc import Callable, Iterator

from _client import CannotDecide, Defect, Server, cpu_seconds, run

STARTED, SETTLED, OBSERVED = 0.3, 0.2, 0.4
TOKENS = re.compile(r"^mistralrs_tokens_processed_total(?:\{[^}]*\})? (\S+)", re.MULTILINE)


def work_of(server: Server, options: Namespace) -> tuple[Callable[[], float], str, float]:
    """How much work was done so far, its unit, and how much of it within OBSERVED is idle."""
    tokens = lambda: sum(map(float, TOKENS.findall(server.send("GET", "/metrics").body.decode())))  # noqa: E731
    if TOKENS.search(server.send("GET", "/metrics").body.decode("utf-8", "replace")):
        return tokens, "tokens", 0
    if options.pid is None:
        raise CannotDecide("the server has no metrics of mistral.rs: --pid is needed")
    return lambda: cpu_seconds(options.pid), "s of CPU time", OBSERVED / 4


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    work, unit, idle = work_of(server, options)
    before = work()
    connection = server.begin(
        "/v1/chat/completions", server.chat_body("Tell me about forever", max_tokens=3000)
    )
    time.sleep(STARTED)
    connection.close()
    if work() - before <= idle / 2:
        raise CannotDecide("the server had not begun to work on the answer when the client disconnected")
    time.sleep(SETTLED)
    before = work()
    time.sleep(OBSERVED)
    done = work() - before
    if done > idle:
        sent = f"a non-streamed chat whose client disconnects after {STARTED} s"
        yield Defect(
            sent, f"{done:.4g} {unit} within {OBSERVED} s, {SETTLED} s after that", "no further work"
        )


if __name__ == "__main__":
    run(check, __doc__, "url", "model", "pid")

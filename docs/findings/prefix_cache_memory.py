"""The prefix cache has no limit on a CPU (0.8.1, 0.9.5)

Steps: send 150 short prompts that are all different, with `max_tokens` 1, and compare the memory of the
server before and after.

Expected: the memory stays as it is once the cache has as many entries as it may hold. `--prefix-cache-n`:
"Number of prefix caches to hold (0 to disable)" (`mistralrs serve --help`), 16 by default.

Received: each different prompt takes memory that is never freed, 0.5 to 1 MiB with the tiny model of
`acceptance model`, however short it is: an entry has the keys and values of 512 tokens at least.
`evict_caches` in `prefix_cacher.rs` counts only entries that are not on the CPU. `--prefix-cache-n 0`
prevents it.

Discussed in EricLBuehler/mistral.rs issue 1961, "prefix cache: evict_caches never evicts CPU-resident
entries".

The script needs `--pid`. The same prompts again take nothing, so each run of it sends new ones.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Server, resident_mib, run

FILLED, MEASURED = 40, 150
LIMIT = 0.1


def check(options: Namespace) -> Iterator[Defect]:
    if options.pid is None:
        raise CannotDecide("--pid is needed: the process of the server")
    server = Server(options, "/v1/chat/completions")
    salt = str(time.time_ns() // 1000 % 10**8)
    answers = [server.chat(f"{salt} {number}", max_tokens=1) for number in range(FILLED)]
    before = resident_mib(options.pid)
    answers += [server.chat(f"{salt} {FILLED + number}", max_tokens=1) for number in range(MEASURED)]
    each = (resident_mib(options.pid) - before) / MEASURED
    if failed := [answer for answer in answers if not answer.served]:
        raise CannotDecide(f"a chat failed: {failed[0]}")
    if each >= LIMIT:
        sent = f"{MEASURED} different prompts, after {FILLED} others"
        received = f"{each:.2f} MiB more memory for each, {each * MEASURED:.0f} MiB in all"
        yield Defect(sent, received, f"less than {LIMIT} MiB each: the cache is full")


if __name__ == "__main__":
    run(check, __doc__, "url", "model", "pid")

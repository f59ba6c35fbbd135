"""The engine panics when concurrent prompts continue cached prompts of different lengths (0.8.1, 0.9.5, CPU)

Steps: 1. Send a short chat. 2. Send one that begins alike with another number and has more than 512 tokens.
3. Send eight chats at the same time that begin like the first and the second one. The first request of a
batch runs alone, so it depends on the moment; the script does this up to four times.

Expected: eight answers. The requests of others, earlier or concurrent, never end an answer.

Received: 500 `No response received from the model.` and 500 `channel closed`; streams end without `[DONE]`.
The log has ``called `Result::unwrap()` on an `Err` value: shape mismatch on dim 2, 512 <> 1024``
(`kv_cache/mod.rs`). Afterwards the engine is replaced, and its cache is empty. `--prefix-cache-n 0`
prevents it.

Cause, in the source of 0.8.1: an entry of the prefix cache has room for a multiple of 512 tokens, and a new
prompt takes it over with its room. The scheduler makes one batch of sequences that have the same length and
took over the same number of tokens; `clone_in_cache` then copies entries of different room into one tensor.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from _client import Defect, Server, run, together

ATTEMPTS = 4


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    # Prompts that this server has not seen yet: else an entry of an earlier run may fit better.
    salt = str(time.time_ns() // 1000 % 10**8).zfill(8)
    for attempt in range(ATTEMPTS):
        begin = f"{salt}{attempt} number"
        server.chat(f"{begin} 1. Tell me about the lighthouse", max_tokens=40)
        server.chat(f"{begin} 2. Tell me about the lighthouse{', the tide' * 200}", max_tokens=40)
        asks = [
            partial(server.chat, f"{begin} {1 + one % 2}. Tell me about the harbour", max_tokens=40)
            for one in range(8)
        ]
        failed = [answer for answer in together(asks) if not answer.served]
        if failed:
            sent = f"8 chats at the same time that begin like two earlier ones (attempt {attempt + 1})"
            yield Defect(sent, f"{len(failed)} failed: {failed[0]}", "8 answers with status 200")
            return


if __name__ == "__main__":
    run(check, __doc__, "url", "model")

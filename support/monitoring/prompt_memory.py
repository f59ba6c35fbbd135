"""Memory of a server that answers different prompts: whether it keeps something of each without a limit.

A prefix cache keeps the keys and values of finished sequences. Its limit is reached long before the last
prompts, so that they do not raise the memory.

Source: mistral.rs, `--prefix-cache-n`: number of prefix caches to hold (16 by default)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from support.errors import CheckFailed
from support.http.client import ApiClient
from support.monitoring.load import CHAT
from support.monitoring.soak import MIB
from support.programs.launcher import LaunchedProgram

PARTS, PROMPTS = 3, 100
# For the prompts of the last part: 0.1 MiB for each. An entry of the scripted model has 0.5 MiB.
LIMIT_BYTES = 10 * MIB


@dataclass(frozen=True)
class PromptMemory:
    """`resident`: bytes at the start and after each part of the prompts."""

    resident: Sequence[int]

    def findings(self) -> Iterator[str]:
        """Memory that still grows with the prompts of the last part."""
        before, last = (self.resident[at] - self.resident[at - 1] for at in (-2, -1))
        if last > LIMIT_BYTES:
            yield (
                f"resident memory grew by {last / MIB:.1f} MiB with the last {PROMPTS} of {PARTS * PROMPTS} "
                f"different prompts, by {before / MIB:.1f} MiB with those before; expected at most "
                f"{LIMIT_BYTES / MIB:g} MiB"
            )

    def text(self) -> str:
        """For a reader of the report."""
        return "prompts, resident memory in MiB:\n" + "".join(
            f"{PROMPTS * part:>8} {resident / MIB:8.1f}\n" for part, resident in enumerate(self.resident)
        )


def observe_prompts(start: Callable[[], LaunchedProgram], model: str) -> PromptMemory:
    """Start a server, send it different prompts one after another, end it.

    Raises `StartFailure`, and AssertionError when a prompt is not answered.
    """
    server = start()
    try:
        resident = [server.resident_memory()]
        with closing(ApiClient(server.url)) as client:
            for part in range(PARTS):
                for number in range(PROMPTS):
                    _ask(client, model, f"{part * PROMPTS + number} is a number")
                resident.append(server.resident_memory())
        return PromptMemory(resident)
    finally:
        server.stop()


def _ask(client: ApiClient, model: str, question: str) -> None:
    message = {"role": "user", "content": question}
    exchange = client.post(CHAT, {"model": model, "messages": [message], "temperature": 0, "max_tokens": 1})
    client.exchanges.clear()
    if exchange.status != 200:
        raise CheckFailed(f"POST {CHAT}: {exchange.status} {exchange.text[:200]!r}")

"""A fake engine, and a handle on the real server."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx

from support.bundled.reference_server.engine import Call, ChoiceDelta, Chunk, EngineError, RequestRefused
from support.programs.process import ManagedProcess
from support.waiting import wait_until
from tests.timeouts import PATIENCE

COMMAND = str(Path(sys.executable).with_name("mistralrs-reference"))
# What a person may have set: other lines in the log, tables of another width.
CHANGING = ("RUST_LOG", "COLUMNS", "LINES")
PLAIN_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in CHANGING} | {
    "NO_COLOR": "1"
}


class FakeEngine:
    """Says the words of `text`; refuses or fails when told to."""

    model_id = "fake/model"
    max_seqs = 2

    def __init__(self, text: str = "one two three") -> None:
        self.text = text
        self.calls: list[Call] = []
        self.refusal: str | None = None
        self.failure: str | None = None
        self.closed = threading.Event()

    def stream(self, call: Call) -> Generator[Chunk]:
        self.calls.append(call)
        if self.refusal:
            raise RequestRefused(self.refusal)
        words = re.findall(r"\S+\s*", self.text)
        try:
            for number, word in enumerate(words, 1):
                last = number == len(words)
                if self.failure and last:
                    raise EngineError(self.failure)
                usage = {"prompt_tokens": 5, "completion_tokens": number, "total_tokens": 5 + number}
                pieces = tuple(
                    ChoiceDelta(index, word, finish_reason="stop" if last else None)
                    for index in range(call.parameters.get("n_choices", 1))
                )
                yield Chunk("7", 1_700_000_000, self.model_id, pieces, usage if last else None)
        finally:
            self.closed.set()

    def embed(self, inputs: list[Any]) -> list[list[float]]:
        return [[float(number), 0.5] for number, _ in enumerate(inputs)]

    def count_tokens(self, inputs: list[Any]) -> int:
        return 3 * len(inputs)


class Server:
    """A running `mistralrs-reference serve`."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        self.process = ManagedProcess(
            [COMMAND, "serve", "--host", "127.0.0.1", "-p", "0", *arguments],
            stdout=log,
            stderr=log.with_suffix(".err"),
            env=PLAIN_ENVIRONMENT,
        )
        try:
            said = wait_until(
                "the server listens",
                lambda: re.search(r"Server listening on (http://\S+)", self.text()),
                timeout=PATIENCE,
                alive=lambda: self.process.alive,
                seen=lambda: self.text()[-500:],
            )
        except BaseException:
            self.process.stop(grace=0)
            raise
        self.url = said[1]
        self.client = httpx.Client(
            base_url=self.url, timeout=PATIENCE, limits=httpx.Limits(max_connections=None)
        )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def chat(self, text: str, **fields: Any) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json=question(text, **fields))

    def metric(self, line: str) -> float:
        found = re.search(rf"^{re.escape(line)} (\S+)$", self.client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def close(self) -> None:
        self.client.close()
        self.process.stop()


def question(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, **fields}

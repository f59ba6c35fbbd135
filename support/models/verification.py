"""Verifies a model on the real engine, in a process of its own: a panic or a hang ends only that process."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from support.models.files import Format, ModelFiles
from support.models.script import Row, ScriptError
from support.models.verification_worker import PREFIX, Job, ProbeRequest

if TYPE_CHECKING:
    from support.models.compiler import CompiledModel
    from support.models.llama import TinyModel

log = logging.getLogger(__name__)

TIME_LIMIT = 300.0
"""Seconds. A verification takes less than one; the rest is for a busy machine."""

LOOP_TOKENS = 24
"""Length limit for the request with an endless answer."""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """An answer of the engine. finish_reason: `stop` or `length`; the counts are its own."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """loaded: whether the model was loaded. error: what ended the process early, None if nothing did."""

    loaded: bool
    answers: tuple[ProbeAnswer, ...]
    error: str | None


# What is asked, for messages; the request, and the answer to it.
Probe = tuple[str, ProbeRequest, ProbeAnswer]


def question(text: str, max_tokens: int = 1024, temperature: float = 0.0) -> ProbeRequest:
    """A request with a single user message."""
    message = {"role": "user", "content": text}
    return {"messages": [message], "max_tokens": max_tokens, "temperature": temperature}


def engine_version() -> str | None:
    """Version of the installed Python engine (`mistralrs`), None without one."""
    try:
        return metadata.version("mistralrs")
    except metadata.PackageNotFoundError:
        return None


def probe(files: ModelFiles, requests: Sequence[ProbeRequest], timeout: float = TIME_LIMIT) -> ProbeResult:
    """Loads a model with the Python engine and sends it the requests, within so many seconds."""
    job: Job = {
        "directory": str(files.directory),
        "file": files.file,
        "format": files.format,
        "requests": list(requests),
    }
    # RUST_BACKTRACE would append frames to the messages.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RUST_")}
    environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "NO_COLOR": "1"}
    command = [sys.executable, "-P", str(Path(__file__).with_name("verification_worker.py"))]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(job).encode(),
            capture_output=True,
            env=environment,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        return _parse(expired.stdout or b"", f"no end after {timeout:g} s")
    error = None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        error = f"the process of the engine ended with status {done.returncode}: {last[0]}"
    return _parse(done.stdout, error)


def _parse(output: bytes, error: str | None) -> ProbeResult:
    """The result in the output of the worker; an error in it is more exact than `error`."""
    loaded, answers = False, []
    for line in output.decode(errors="replace").splitlines():
        if line.startswith(PREFIX):
            message = json.loads(line.removeprefix(PREFIX))
            loaded = loaded or "loaded" in message
            if "error" in message:
                error = message["error"]
            elif "text" in message:
                answers.append(ProbeAnswer(**message))
    return ProbeResult(loaded, tuple(answers), error)


def verify(files: ModelFiles, probes: Sequence[Probe]) -> None:
    """Loads a model and sends it the requests; ScriptError when an answer is not the expected one."""
    version = engine_version()
    if version is None:
        log.info("model %s is not verified: the package 'mistralrs' is not installed here", files.path)
        return
    result = probe(files, [request for _, request, _ in probes])
    if not result.loaded:
        raise ScriptError(f"the engine ({version}) does not load the model: {result.error}")
    for (subject, _, expected), answer in zip(probes, result.answers, strict=False):
        if answer != expected:
            raise ScriptError(
                f"the engine ({version}) answers {subject} with {answer}, not {expected}: shorten the script,"
                " or report it as a defect of the engine"
            )
    if len(result.answers) < len(probes):
        given = f"{len(result.answers)} of {len(probes)} answers"
        raise ScriptError(f"the engine ({version}) gave {given}: {result.error}")


def script_probes(model: CompiledModel, format: Format) -> list[Probe]:
    """Of a scripted model: the default, the first and the last row, and the first loop.

    mistral.rs 0.8 and 0.9 load a GGML file but panic on every request (a model without metadata for its
    cache, mistralrs-core/src/engine/add_request.rs): only loading can be verified.
    """
    if format == "ggml":
        return []
    script = model.script
    loops = [row for row in script.rows if row.loop]
    rows = dict.fromkeys((script.default_row, *script.rows[:1], *script.rows[-1:], *loops[:1]))
    return [_row_probe(model, row) for row in rows]


def _row_probe(model: CompiledModel, row: Row) -> Probe:
    request = question(f"Say {row.keyword}".strip(), LOOP_TOKENS if row.loop else 4096)
    prompt_tokens, pieces = model.count_prompt(request["messages"]), model.answer_tokens(row)
    if row.loop:
        text = "".join(islice(cycle(pieces), LOOP_TOKENS))
        return f"marker {row.keyword!r}", request, ProbeAnswer(text, "length", prompt_tokens, LOOP_TOKENS)
    answer = ProbeAnswer(row.answer, "stop", prompt_tokens, len(pieces) + 1)
    return f"marker {row.keyword!r}", request, answer


def categorical_probe(model: TinyModel, likeliest: str) -> Probe:
    """Of the known-distribution model: a greedy answer is a repetition of the likeliest word."""
    request = question("Throw the dice", 8)
    answer = ProbeAnswer(likeliest * 8, "length", model.count_prompt(request["messages"]), 8)
    return "the known-distribution model", request, answer

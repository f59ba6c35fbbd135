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
from pathlib import Path
from typing import TYPE_CHECKING

from support.models.files import ModelFiles
from support.models.script import Row, Script, ScriptError
from support.models.verification_worker import PREFIX, Job, ProbeRequest

if TYPE_CHECKING:
    from support.models.compiler import CompiledModel

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


def verify_script(files: ModelFiles, model: CompiledModel) -> None:
    """Sends requests to a scripted model; ScriptError when one has another answer than the scripted one."""
    if not _has_engine(files):
        return
    rows = _sample(model.script)
    # mistral.rs 0.8 and 0.9 load a GGML file but panic on every request (a model without metadata for its
    # cache, mistralrs-core/src/engine/add_request.rs): only loading can be verified.
    requests = [] if files.format == "ggml" else [_probe_request(row) for row in rows]
    result = _verified(files, requests)
    for row, request, answer in zip(rows, requests, result.answers, strict=False):
        expected = _expected(model, row, request)
        if answer != expected:
            raise ScriptError(
                f"the engine ({engine_version()}) answers marker {row.keyword!r} with {answer}, "
                f"not {expected}: shorten the script, or report it as a defect of the engine"
            )
    if len(result.answers) < len(requests):
        raise ScriptError(
            f"the engine ({engine_version()}) gave {len(result.answers)} of {len(requests)} answers: "
            f"{result.error}"
        )


def verify_categorical(files: ModelFiles, likeliest: str) -> None:
    """Requests a greedy answer; ScriptError when it is not a repetition of the likeliest word."""
    if not _has_engine(files):
        return
    result = _verified(files, [question("Throw the dice", 8)])
    texts = [answer.text for answer in result.answers]
    if texts != [likeliest * 8]:
        raise ScriptError(
            f"the engine ({engine_version()}) answers {texts} with the known-distribution model: "
            f"{result.error}"
        )


def _has_engine(files: ModelFiles) -> bool:
    if engine_version() is None:
        log.info("model %s is not verified: the package 'mistralrs' is not installed here", files.path)
        return False
    return True


def _verified(files: ModelFiles, requests: Sequence[ProbeRequest]) -> ProbeResult:
    """The result of a probe that has loaded the model; ScriptError when it has not."""
    result = probe(files, requests)
    if not result.loaded:
        raise ScriptError(f"the engine ({engine_version()}) does not load the model: {result.error}")
    return result


def _sample(script: Script) -> list[Row]:
    """The default, the first and the last row, and the first loop."""
    rows = [
        script.default_row,
        *script.rows[:1],
        *script.rows[-1:],
        *[row for row in script.rows if row.loop][:1],
    ]
    return list(dict.fromkeys(rows))


def _probe_request(row: Row) -> ProbeRequest:
    return question(f"Say {row.keyword}".strip(), LOOP_TOKENS if row.loop else 4096)


def _expected(model: CompiledModel, row: Row, request: ProbeRequest) -> ProbeAnswer:
    pieces = model.answer_tokens(row)
    prompt_tokens = model.count_prompt(request["messages"])
    if row.loop:
        endless = pieces * (LOOP_TOKENS // len(pieces) + 1)
        return ProbeAnswer("".join(endless[:LOOP_TOKENS]), "length", prompt_tokens, LOOP_TOKENS)
    return ProbeAnswer(row.answer, "stop", prompt_tokens, len(pieces) + 1)

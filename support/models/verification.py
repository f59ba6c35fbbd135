"""Proves a model on the real engine, in a process of its own: a panic or a hang ends only that."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from support.models.files import ModelFiles
from support.models.script import Row, Script, ScriptError
from support.models.verification_worker import PREFIX
from support.units import JsonObject

if TYPE_CHECKING:
    from support.models.compiler import CompiledModel

log = logging.getLogger(__name__)

TIME_LIMIT = 300.0
"""Seconds. A proof takes less than one; the rest is for a machine that is busy."""

LOOP_TOKENS = 24
"""After so many tokens an endless answer is cut."""


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One request: messages with `role` and `content`, at most so many tokens."""

    messages: Sequence[Mapping[str, str]]
    max_tokens: int = 1024
    temperature: float = 0.0

    @classmethod
    def from_text(cls, text: str, max_tokens: int = 1024, temperature: float = 0.0) -> ProbeRequest:
        """A single user message."""
        return cls([{"role": "user", "content": text}], max_tokens, temperature)


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What the engine said. finish_reason: `stop` or `length`; the counts are its own."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """loaded: the model got that far. error: what ended the interview early, None if nothing did."""

    loaded: bool
    answers: tuple[ProbeAnswer, ...]
    error: str | None


def engine_version() -> str | None:
    """Version of the installed Python engine (`mistralrs`), None without one."""
    try:
        return metadata.version("mistralrs")
    except metadata.PackageNotFoundError:
        return None


def probe(files: ModelFiles, requests: Sequence[ProbeRequest], timeout: float = TIME_LIMIT) -> ProbeResult:
    """Loads a model with the Python engine and asks it, within so many seconds."""
    job = {
        "directory": str(files.directory),
        "file": files.file,
        "format": files.format,
        "questions": [
            {
                "messages": [dict(m) for m in q.messages],
                "max_tokens": q.max_tokens,
                "temperature": q.temperature,
            }
            for q in requests
        ],
    }
    # RUST_BACKTRACE would append frames to the messages.
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("RUST_")}
    surroundings |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("verification_worker.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings,
        encoding="utf-8",
        errors="replace",
    )
    ended: str | None = None
    try:
        out, err = process.communicate(json.dumps(job), timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        out, err = process.communicate()
        ended = f"no end after {timeout:g} s"
    finally:
        _end(process)
    return _read(out, err, process.returncode, ended)


def verify_script(files: ModelFiles, model: CompiledModel) -> None:
    """Asks a few conversations of a speaking model; ScriptError when one is answered differently.

    Machines without the Python engine skip the proof, with a line in the log.
    """
    if engine_version() is None:
        log.info("model %s is not proved: the package 'mistralrs' is not installed here", files.path)
        return
    if files.format == "ggml":
        # mistral.rs 0.8 and 0.9 load a GGML file but panic on every request (a model without metadata for its
        # cache, mistralrs-core/src/engine/add_request.rs): loading is all there is to prove.
        _require_loaded(probe(files, ()))
        return
    rows = _sample(model.script)
    questions = [_probe_request(row) for row in rows]
    talk = probe(files, questions)
    _require_loaded(talk)
    for row, question, answer in zip(rows, questions, talk.answers, strict=False):
        expected = _expected(model, row, question)
        if answer != expected:
            raise ScriptError(
                f"the engine ({engine_version()}) answers marker {row.keyword!r} with {answer}, "
                f"not {expected}"
                ": shorten the script, or report it as a defect of the engine"
            )
    if len(talk.answers) < len(rows):
        raise ScriptError(
            f"the engine ({engine_version()}) gave {len(talk.answers)} of {len(rows)} answers: {talk.error}"
        )


def verify_random(files: ModelFiles) -> None:
    """Loads random weights and draws some tokens; ScriptError when that fails."""
    if engine_version() is None:
        log.info("model %s is not proved: the package 'mistralrs' is not installed here", files.path)
        return
    questions = () if files.format == "ggml" else (ProbeRequest.from_text("Go on", 8, 1.0),)
    talk = probe(files, questions)
    _require_loaded(talk)
    if len(talk.answers) < len(questions):
        raise ScriptError(f"the engine ({engine_version()}) gave no answer with random weights: {talk.error}")


def verify_categorical(files: ModelFiles, likeliest: str) -> None:
    """Asks for the greedy answer; ScriptError when that is not the likeliest word again and again."""
    if engine_version() is None:
        log.info("model %s is not proved: the package 'mistralrs' is not installed here", files.path)
        return
    talk = probe(files, (ProbeRequest.from_text("Throw the dice", 8),))
    _require_loaded(talk)
    said = [answer.text for answer in talk.answers]
    if said != [likeliest * 8]:
        raise ScriptError(f"the engine ({engine_version()}) says {said} with the dice: {talk.error}")


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
    return ProbeRequest.from_text(f"Say {row.keyword}".strip(), LOOP_TOKENS if row.loop else 4096)


def _expected(model: CompiledModel, row: Row, request: ProbeRequest) -> ProbeAnswer:
    pieces = model.answer_tokens(row)
    asked = model.count_prompt(request.messages)
    if row.loop:
        endless = pieces * (LOOP_TOKENS // len(pieces) + 1)
        return ProbeAnswer("".join(endless[:LOOP_TOKENS]), "length", asked, LOOP_TOKENS)
    return ProbeAnswer(row.answer, "stop", asked, len(pieces) + 1)


def _require_loaded(result: ProbeResult) -> None:
    if not result.loaded:
        raise ScriptError(f"the engine ({engine_version()}) does not load the model: {result.error}")


def _read(out: str, err: str, status: int, ended: str | None) -> ProbeResult:
    loaded, answers, error = False, [], ended
    for line in out.splitlines():
        if not line.startswith(PREFIX):
            continue
        said: JsonObject = json.loads(line.removeprefix(PREFIX))
        if "loaded" in said:
            loaded = True
        elif "error" in said:
            error = said["error"]
        else:
            answers.append(ProbeAnswer(**said))
    if status and error is None:
        last = err.strip().splitlines()[-1:] or ["no message"]
        error = f"the engine's process ended with status {status}: {last[0]}"
    return ProbeResult(loaded, tuple(answers), error)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the process and whatever it started; nothing where it has ended by itself."""
    if process.poll() is not None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()

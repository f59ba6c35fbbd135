"""Loads one model with the Python engine and sends it requests, in its own process: the engine can panic.

Standard input: a `Job` as JSON. Standard output: lines "PROBE " + JSON, first {"loaded": true}, then per
request {"text", "finish_reason", "prompt_tokens", "completion_tokens"}; or {"error": text}, and nothing after
it.
"""

from __future__ import annotations

import json
import sys
from typing import TypedDict

PREFIX = "PROBE "


class ProbeRequest(TypedDict):
    """A chat request: messages with `role` and `content`."""

    messages: list[dict[str, str]]
    max_tokens: int
    temperature: float


class Job(TypedDict):
    """A model (`ModelFiles`) and requests."""

    directory: str
    file: str | None
    format: str
    requests: list[ProbeRequest]


def emit(**content: object) -> None:
    """Flushed at once: after a panic the lines before it still count."""
    sys.stdout.write(f"\n{PREFIX}{json.dumps(content)}\n")
    sys.stdout.flush()


def which(job: Job) -> object:
    """The engine's description of a model."""
    from mistralrs import Which

    directory, file = job["directory"], job["file"] or ""
    if job["format"] == "gguf":
        return Which.GGUF(quantized_model_id=directory, quantized_filename=file)
    if job["format"] == "ggml":
        return Which.GGML(quantized_model_id=directory, quantized_filename=file, tok_model_id=directory)
    return Which.Plain(model_id=directory)


def main() -> int:
    from mistralrs import ChatCompletionRequest, Runner

    job: Job = json.load(sys.stdin)
    try:
        runner = Runner(which=which(job))  # type: ignore[arg-type]  # the stub lacks the base class of `Which.GGUF`
        emit(loaded=True)
        for request in job["requests"]:
            answer = runner.send_chat_completion_request(ChatCompletionRequest(model="default", **request))
            choice, usage = answer.choices[0], answer.usage  # type: ignore[union-attr]
            emit(
                text=choice.message.content or "",
                finish_reason=choice.finish_reason,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
            )
    except BaseException as error:  # noqa: BLE001 - a panic of the engine is no Exception
        emit(error=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Loads one model with the Python engine and asks it, as a program of its own: the engine may panic.

Standard input: one JSON object {"directory", "file", "format", "questions": [{"messages", "max_tokens"}]}.
Standard output: lines "PROBE " + JSON, first {"loaded": true}, then per question {"text", "finish_reason",
"prompt_tokens", "completion_tokens"}; or {"error": text}, and nothing after it. Needs only `mistralrs`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from support.units import JsonObject

PREFIX = "PROBE "


def emit(content: JsonObject) -> None:
    """Flushed at once: after a panic the lines before it still count."""
    sys.stdout.write(f"\n{PREFIX}{json.dumps(content)}\n")
    sys.stdout.flush()


def which(job: dict[str, Any]) -> Any:
    """The engine's description of a model."""
    from mistralrs import Which

    directory, file = job["directory"], job["file"]
    if job["format"] == "gguf":
        return Which.GGUF(quantized_model_id=directory, quantized_filename=file)
    if job["format"] == "ggml":
        return Which.GGML(quantized_model_id=directory, quantized_filename=file, tok_model_id=directory)
    return Which.Plain(model_id=directory)


def main() -> int:
    from mistralrs import ChatCompletionRequest, Runner

    job = json.load(sys.stdin)
    try:
        runner = Runner(which=which(job))
        emit({"loaded": True})
        for question in job["questions"]:
            request = ChatCompletionRequest(
                model="default",
                messages=question["messages"],
                max_tokens=question["max_tokens"],
                temperature=question.get("temperature", 0.0),
            )
            answer = runner.send_chat_completion_request(request)
            choice, usage = answer.choices[0], answer.usage  # type: ignore[union-attr]
            emit(
                {
                    "text": choice.message.content or "",
                    "finish_reason": choice.finish_reason,
                    "prompt_tokens": usage.prompt_tokens,
                    "completion_tokens": usage.completion_tokens,
                }
            )
    except BaseException as error:  # noqa: BLE001 - a panic of the engine is no Exception
        emit({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A stop sequence over the border of two tokens is detected too late in a stream (0.8.1, 0.9.2)

Steps: with the model of `acceptance model`, ask for the numbers with `"stop": "ee, fou"`, non-streamed and
streamed, and with `"stop": "twel"`, which is in the last token before the end.

Expected: `one, two, thr`, non-streamed and streamed, and `... eleven, `. OpenAI API reference, `stop`: "The
returned text will not contain the stop sequence."

Received: `one, two, thr` non-streamed and `one, two, three, four, five, s` streamed in 0.8.1: a part of the
sequence has been sent when it is detected. In the last token it is not detected at all: the answer ends in
`twelve`. The engine 0.9.5 is right.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Defect, Row, Server, run, wrong_rows

ROWS = (
    ("ee, fou", False, "one, two, thr"),
    ("ee, fou", True, "one, two, thr"),
    ("twel", False, "one, two, three, four, five, six, seven, eight, nine, ten, eleven, "),
)


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/chat/completions")
    server.require_scripted_model()
    yield from wrong_rows(
        server,
        [
            Row(
                "POST",
                "/v1/chat/completions",
                server.chat_body("numbers", max_tokens=60, stop=stop, stream=stream),
                f"the text {text!r}",
                lambda answer, text=text: answer.text == text,  # type: ignore[misc]
            )
            for stop, stream, text in ROWS
        ],
    )


if __name__ == "__main__":
    run(check, __doc__, "url", "model")

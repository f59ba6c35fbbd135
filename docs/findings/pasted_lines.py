"""Lines that arrive at once are lost in the terminal chat (0.8.1, 0.9.2)

Steps: `mistralrs run -m DIR --format gguf -f FILE`, and three lines that reach the prompt at once, as in a
paste without bracketed paste or from a script.

Expected: each line is answered, as each line of a pipe is.

Received: the first is answered, the others are dropped silently. What is typed while an answer is generated
is kept.

The script needs the model of `acceptance model`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Terminal, model_arguments, run

ANSWERS = {"comet": "seventy-six", "violin": "tuned in fifths", "falcon": "300 kilometres"}


def check(options: Namespace) -> Iterator[Defect]:
    with Terminal([options.program, "run", *model_arguments(options.file)]) as terminal:
        if "> " not in terminal.read(lambda text: text.rstrip(" ").endswith(">"), silence=60):
            raise CannotDecide(f"no prompt of a chat: {terminal.output[-200:]}")
        terminal.type("".join(f"Tell me about the {topic}\r" for topic in ANSWERS))
        text = terminal.read(lambda text: all(answer in text for answer in ANSWERS.values()), silence=5)
    answered = [topic for topic, answer in ANSWERS.items() if answer in text]
    if not answered:
        raise CannotDecide(f"the model is not the scripted one of `acceptance model`: {text[-200:]}")
    if len(answered) < len(ANSWERS):
        sent = f"{len(ANSWERS)} lines at once, about {', '.join(ANSWERS)}"
        yield Defect(sent, f"an answer about {', '.join(answered)}", "an answer to each")


if __name__ == "__main__":
    run(check, __doc__, "program", "file")

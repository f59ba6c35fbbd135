"""Ollama's own command, as its users type it, on whatever server stands at an address.

A home of its own and OLLAMA_HOST: nothing of the user's is read, nothing is left (Ollama's docs/faq.mdx).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support.programs.child_environment import child_environment
from support.programs.process import CommandTimeout, Outcome, run_command

COMMAND_SECONDS = 20.0
COPY = "acceptance-copy"
SHOW = "show what a model is"


# Name in the features -> the commands that are typed. `{model}` is the model's name.
ERRANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "list the models": (("list",),),
    SHOW: (("show", "{model}"),),
    "ask a question": (("run", "{model}", "Tell me about the comet"),),
    "see what is loaded": (("run", "{model}", "Say it briefly"), ("ps",)),
    "unload a model": (("run", "{model}", "Say it briefly"), ("stop", "{model}"), ("ps",)),
    "copy a model": (("cp", "{model}", COPY), ("list",)),
    "remove a copy": (("cp", "{model}", COPY), ("rm", COPY), ("list",)),
}
# Commands that leave a server other than it was.
CHANGING = {"stop": "unloading a model", "cp": "copying a model", "rm": "removing a model"}
# What a user reads at the end, in the words of the features -> a text that has to be there, and one that may
# not. Other words are to be there themselves.
READ = {
    "the name of the model": ("{model}", ""),
    "the length of its context": ("context length", ""),
    "that no model is loaded": ("NAME", "{model}"),
    "the name of the copy": (COPY, ""),
    "the name of the model, and no copy": ("{model}", COPY),
}


def change(errand: str) -> str | None:
    """What an errand does to a server that it leaves other than it was, or None."""
    return next((CHANGING[words[0]] for words in ERRANDS[errand] if words[0] in CHANGING), None)


def talks(errand: str) -> bool:
    """Whether the model is asked something."""
    return any(words[0] == "run" for words in ERRANDS[errand])


@dataclass(frozen=True)
class Run:
    """How an errand went."""

    model: str
    outcomes: tuple[Outcome, ...]
    timeout: str = ""

    def require(self, outcome: str) -> None:
        """Every command ended well, and the last one printed this; raises AssertionError with what it did."""
        assert not self.timeout, self.timeout
        for done in self.outcomes:
            assert done.exit_code == 0, (
                f"`ollama {' '.join(done.command[1:])}` ended with {done.exit_code}: "
                f"{done.stderr.strip()[-500:]}"
            )
        said = self.outcomes[-1].stdout
        wanted, unwanted = (text.format(model=self.model) for text in READ.get(outcome, (outcome, "")))
        assert wanted in said, f"expected {wanted!r} in what it printed: {said[-500:]!r}"
        assert not unwanted or unwanted not in said, f"{unwanted!r} is still there: {said[-500:]!r}"


def run(program: Path, url: str, model: str, errand: str, folder: Path) -> Run:
    """Type the commands of an errand, one after the other, up to the first that fails."""
    environment = child_environment(folder, OLLAMA_HOST=url.removeprefix("http://"))
    outcomes: list[Outcome] = []
    for words in ERRANDS[errand]:
        command: list[str | Path] = [program, *(word.format(model=model) for word in words)]
        try:
            outcome = run_command(command, within=COMMAND_SECONDS, folder=folder, env=environment, cwd=folder)
        except CommandTimeout as error:
            return Run(model, tuple(outcomes), str(error))
        outcomes.append(outcome)
        if outcome.exit_code != 0:
            break
    return Run(model, tuple(outcomes))

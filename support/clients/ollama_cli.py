"""Ollama's own command, as its users type it, on a server at a URL.

A home of its own and OLLAMA_HOST: nothing of the user's is read, nothing is left (Ollama's docs/faq.mdx).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support.errors import CheckFailed
from support.name_registry import NameRegistry
from support.programs.child_environment import child_environment
from support.programs.process import CommandTimeout, CompletedCommand, run_command

COMMAND_SECONDS = 20.0
COPY = "acceptance-copy"


# Name in the features -> the commands that are typed. `{model}` is the model's name.
TASKS: NameRegistry[tuple[tuple[str, ...], ...]] = NameRegistry(
    "task",
    {
        "list the models": (("list",),),
        "show a model": (("show", "{model}"),),
        "ask a question": (("run", "{model}", "Tell me about the comet"),),
        "list the loaded models": (("run", "{model}", "Say it briefly"), ("ps",)),
        "unload a model": (("run", "{model}", "Say it briefly"), ("stop", "{model}"), ("ps",)),
        "copy a model": (("cp", "{model}", COPY), ("list",)),
        "remove a copy": (("cp", "{model}", COPY), ("rm", COPY), ("list",)),
    },
)
# Commands that change a server for good.
MUTATING = {"stop": "unloading a model", "cp": "copying a model", "rm": "removing a model"}
# What a user reads at the end, in the words of the features -> a text that has to be there, and one that may
# not. Other words are to be there themselves.
EXPECTED_OUTPUT = {
    "the model name": ("{model}", ""),
    "the context length": ("context length", ""),
    "no loaded model": ("NAME", "{model}"),
    "the name of the copy": (COPY, ""),
    "the model name, and no copy": ("{model}", COPY),
}


def mutation(task: str) -> str | None:
    """What a task changes on a server for good, or None."""
    return next((MUTATING[words[0]] for words in TASKS.find(task) if words[0] in MUTATING), None)


def needs_inference(task: str) -> bool:
    """Whether the model has to generate an answer."""
    return any(words[0] == "run" for words in TASKS.find(task))


@dataclass(frozen=True)
class CliTaskResult:
    """What the commands of a task returned and printed."""

    model: str
    completed: tuple[CompletedCommand, ...]
    timeout: str = ""

    def require(self, outcome: str) -> None:
        """Every command exited with 0, and the last one printed this; raises AssertionError."""
        if self.timeout:
            raise CheckFailed(self.timeout)
        for done in self.completed:
            if done.exit_code != 0:
                raise CheckFailed(
                    f"`ollama {' '.join(done.command[1:])}` ended with {done.exit_code}: "
                    f"{done.stderr.strip()[-500:]}"
                )
        output = self.completed[-1].stdout
        wanted, unwanted = (
            text.format(model=self.model) for text in EXPECTED_OUTPUT.get(outcome, (outcome, ""))
        )
        if wanted not in output:
            raise CheckFailed(f"expected {wanted!r} in what it printed: {output[-500:]!r}")
        if unwanted and unwanted in output:
            raise CheckFailed(f"{unwanted!r} is still there: {output[-500:]!r}")


def run(program: Path, url: str, model: str, task: str, folder: Path) -> CliTaskResult:
    """Run the commands of a task one after the other, up to the first that fails."""
    environment = child_environment(folder, OLLAMA_HOST=url.removeprefix("http://"))
    outcomes: list[CompletedCommand] = []
    for words in TASKS.find(task):
        command: list[str | Path] = [program, *(word.format(model=model) for word in words)]
        try:
            outcome = run_command(command, within=COMMAND_SECONDS, env=environment, cwd=folder)
        except CommandTimeout as error:
            return CliTaskResult(model, tuple(outcomes), str(error))
        outcomes.append(outcome)
        if outcome.exit_code != 0:
            break
    return CliTaskResult(model, tuple(outcomes))

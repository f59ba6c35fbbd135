"""Ollama's own command, as its users type it, on whatever server stands at an address.

A home of its own and OLLAMA_HOST: nothing of the user's is read, nothing is left (Ollama's docs/faq.mdx).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from support.running.processes import CommandTimeout, Outcome, run_command
from support.target.environment import child_environment

COMMAND_SECONDS = 20.0
COPY = "acceptance-copy"
COMET = "The comet comes back every seventy-six years."


@dataclass(frozen=True)
class Errand:
    """Commands in order; the last one must end well and say this. `{model}` is the model's name."""

    commands: tuple[tuple[str, ...], ...]
    says: str
    not_says: str = ""


# Name in the features -> what is typed, and what has to be read then.
ERRANDS: dict[str, Errand] = {
    "list the models": Errand((("list",),), "{model}"),
    "show what a model is": Errand((("show", "{model}"),), "context length"),
    "ask a question": Errand((("run", "{model}", "Tell me about the comet"),), COMET),
    "see what is loaded": Errand((("run", "{model}", "Say it briefly"), ("ps",)), "{model}"),
    "unload a model": Errand(
        (("run", "{model}", "Say it briefly"), ("stop", "{model}"), ("ps",)), "NAME", "{model}"
    ),
    "copy a model": Errand((("cp", "{model}", COPY), ("list",)), COPY),
    "remove a copy": Errand((("cp", "{model}", COPY), ("rm", COPY), ("list",)), "{model}", COPY),
}


@dataclass(frozen=True)
class Run:
    """How an errand went."""

    errand: Errand
    model: str
    outcomes: tuple[Outcome, ...]
    timeout: str = ""

    def require_done(self) -> None:
        """Every command ended well, and the last one says what it has to."""
        assert not self.timeout, self.timeout
        for outcome in self.outcomes:
            assert outcome.exit_code == 0, (
                f"`ollama {' '.join(outcome.command[1:])}` ended with {outcome.exit_code}: "
                f"{outcome.stderr.strip()[-500:]}"
            )
        said, wanted = self.outcomes[-1].stdout, self.errand.says.format(model=self.model)
        assert wanted in said, f"expected {wanted!r} in what it printed: {said[-500:]!r}"
        unwanted = self.errand.not_says.format(model=self.model)
        assert not unwanted or unwanted not in said, f"{unwanted!r} is still there: {said[-500:]!r}"


def run(program: Path, url: str, model: str, errand: str, folder: Path) -> Run:
    """Type the commands of an errand, one after the other, up to the first that fails."""
    wanted = ERRANDS[errand]
    environment = child_environment(folder, OLLAMA_HOST=url.removeprefix("http://"))
    outcomes: list[Outcome] = []
    for words in wanted.commands:
        command: list[str | Path] = [program, *(word.format(model=model) for word in words)]
        try:
            outcome = run_command(command, within=COMMAND_SECONDS, folder=folder, env=environment, cwd=folder)
        except CommandTimeout as error:
            return Run(wanted, model, tuple(outcomes), str(error))
        outcomes.append(outcome)
        if outcome.exit_code != 0:
            break
    return Run(wanted, model, tuple(outcomes))

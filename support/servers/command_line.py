"""The command line of each version of the program.

`mistralrs serve|run|bench|doctor` exists from 0.7.0 on, `mistralrs-server` up to 0.8.4 (mistral.rs' own
change log). In the former, `-m DIR --format gguf -f FILE` is the one form that every version accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from support.errors import TargetError


@dataclass(frozen=True)
class ModelArguments:
    """Which model to load: a folder, for GGUF and GGML a file in it, and the format's name.

    `served_name`: its name in requests, a link to the folder where the server runs; else its path.
    """

    directory: Path
    file: str | None
    format: str
    served_name: str = ""

    @property
    def name(self) -> str:
        """What the command line has in the place of the folder."""
        return self.served_name or str(self.directory)


class CommandLine:
    """`mistralrs` from 0.7.0 on, and the reference server.

    `full_precision`: options of `serve` with which it computes in 32 bits.
    """

    full_precision: Sequence[str] = ("--dtype", "f32")

    def serve(
        self, model: ModelArguments, port: int, max_seqs: int, *, verbose: bool, options: Sequence[str] = ()
    ) -> list[str]:
        """Start a server. `options` are added as they are."""
        words = ["serve", "--host", "127.0.0.1", "--port", str(port), "--max-seqs", str(max_seqs)]
        return [*words, *(["-v"] if verbose else []), *options, *self.model_options(model)]

    def ask_once(self, model: ModelArguments, prompt: str) -> list[str]:
        """A one-shot prompt."""
        return [*self.chat(model), "-i", prompt]

    def chat(self, model: ModelArguments) -> list[str]:
        """A chat in the terminal."""
        return ["run", *self.model_options(model)]

    def model_options(self, model: ModelArguments) -> list[str]:
        """Which model to load."""
        if model.format == "embedding":
            return ["embedding", "-m", model.name]
        words = ["-m", model.name, "--format", _FORMATS[model.format]]
        return words if model.file is None else [*words, "-f", model.file]


class LegacyCommandLine(CommandLine):
    """`mistralrs-server`: options come before the model kind, and there is no one-shot prompt."""

    # Its option for that comes after the model kind.
    full_precision = ()

    def serve(
        self,
        model: ModelArguments,
        port: int,
        max_seqs: int,
        *,
        verbose: bool,  # noqa: ARG002 - RUST_LOG does it, which is in the environment of the server
        options: Sequence[str] = (),
    ) -> list[str]:
        words = ["--port", str(port), "--serve-ip", "127.0.0.1", "--max-seqs", str(max_seqs)]
        return [*words, *options, *self.model_options(model)]

    def ask_once(self, model: ModelArguments, prompt: str) -> list[str]:  # noqa: ARG002 - not available
        raise TargetError("mistralrs-server cannot answer a single question on its command line")

    def chat(self, model: ModelArguments) -> list[str]:
        return ["-i", *self.model_options(model)]

    def model_options(self, model: ModelArguments) -> list[str]:
        words = [_FORMATS[model.format], "-m", model.name]
        if model.file is not None:
            words += ["-f", model.file]
        return [*words, "-t", str(model.directory)] if model.format == "ggml" else words


_SLASH_PREFIX_SINCE = Version("0.8.0")
_FORMATS = {"gguf": "gguf", "ggml": "ggml", "safetensors": "plain"}


def chat_command_prefix(version: str) -> str:
    """What begins a command in the chat: a backslash up to 0.7, then a slash (its commit 962112d18)."""
    try:
        return "/" if Version(version) >= _SLASH_PREFIX_SINCE else "\\"
    except InvalidVersion:
        return "/"


def command_line_of(program: str) -> CommandLine:
    """The command line for the name that `--version` prints."""
    return LegacyCommandLine() if program == "mistralrs-server" else CommandLine()

"""Where a made model lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Format = Literal["gguf", "safetensors", "ggml"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk.

    directory: holds everything. file: name of the model file in it; None where the directory is the model
    (SafeTensors). context: tokens.
    """

    directory: Path
    file: str | None
    format: Format
    context: int

    @property
    def path(self) -> Path:
        """The model file, or the directory where there is no single file."""
        return self.directory if self.file is None else self.directory / self.file

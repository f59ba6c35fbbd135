"""The place and format of a built model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Format = Literal["gguf", "safetensors", "ggml"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk. file: the model file in `directory`; None where that is the model (SafeTensors)."""

    directory: Path
    file: str | None
    format: Format

    @property
    def path(self) -> Path:
        """The model file, or the directory where there is no single file."""
        return self.directory if self.file is None else self.directory / self.file

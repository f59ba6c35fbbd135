"""Metadata of a GGUF file, for /api/show and the model lists."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from support.bundled.ollama_gateway.gguf_reader import BrokenHeader, Value, read_header
from support.bundled.ollama_gateway.json_types import JsonObject

log = logging.getLogger("gateway")
# Of what a file has no value for, or one that is newer than the table below.
UNKNOWN = "unknown"
# Longer lists are left out of /api/show without `verbose`.
LONG_LIST = 5
# What Ollama shows elsewhere, or calls by another name.
_EXCLUDED_KEYS = ("general.name", "tokenizer.chat_template")
_THINKING = re.compile(r"enable_thinking|<think>|reasoning_content")
_TOOLS = re.compile(r"\btools\b")
# The names of llama.cpp's `llama_ftype` (include/llama.h), the values of `general.file_type`; `-`: unused.
_FILE_TYPES = """
    F32 F16 Q4_0 Q4_1 - - - Q8_0 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M
    Q6_K IQ2_XXS IQ2_XS Q2_K_S IQ3_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ3_M IQ2_S IQ2_M IQ4_XS IQ1_M BF16
    - - - TQ1_0 TQ2_0 MXFP4_MOE NVFP4 Q1_0
"""
FILE_TYPES = {number: name for number, name in enumerate(_FILE_TYPES.split()) if name != "-"}


@dataclass(frozen=True, slots=True)
class GgufMetadata:
    """The metadata of a file. `size` in bytes, `digest` its SHA-256 in hexadecimal, `info` GGUF's keys.

    `problem`: why its header could be read in part only; what is missing is `unknown`.
    """

    size: int
    digest: str
    modified: datetime
    template: str
    parameters: int
    quantization: str
    info: Mapping[str, Value]
    problem: str = ""

    @property
    def family(self) -> str:
        return str(self.info.get("general.architecture", ""))

    @property
    def context_length(self) -> int:
        """Tokens; 0 when the file has no such key."""
        length = self.info.get(f"{self.family}.context_length")
        return length if isinstance(length, int) else 0

    @property
    def capabilities(self) -> list[str]:
        """As Ollama detects them: by keys of the file and strings in its template."""
        keys = {key.partition(".")[2] for key in self.info}
        found = ["embedding" if "pooling_type" in keys else "completion"]
        if "vision.block_count" in keys:
            found.append("vision")
        if _TOOLS.search(self.template):
            found.append("tools")
        if _THINKING.search(self.template):
            found.append("thinking")
        return found

    @property
    def details(self) -> JsonObject:
        if self.problem:
            return {**details(self.family or UNKNOWN, UNKNOWN, self.quantization), "format": UNKNOWN}
        return details(self.family, human_number(self.parameters), self.quantization)

    def model_info(self, *, verbose: bool) -> JsonObject:
        """The file's keys; long lists are null unless `verbose`."""
        count: JsonObject = {} if self.problem else {"general.parameter_count": self.parameters}
        return {
            key: value if verbose or not isinstance(value, list) or len(value) <= LONG_LIST else None
            for key, value in self.info.items()
            if key not in _EXCLUDED_KEYS
        } | count


def details(family: str = "", parameters: str = "", quantization: str = "") -> JsonObject:
    """The `details` of a model; texts are empty where nothing is known."""
    return {
        "parent_model": "",
        "format": "gguf" if family else "",
        "family": family,
        "families": [family] if family else [],
        "parameter_size": parameters,
        "quantization_level": quantization,
    }


def human_number(number: int) -> str:
    """6.37M, 7B, 134K: Ollama's HumanNumber (format/format.go)."""
    for size, letter, digits in ((10**9, "B", 1), (10**6, "M", 2)):
        if number >= size:
            return f"{number / size:.{0 if number % size == 0 else digits}f}{letter}"
    return f"{number / 1000:.0f}K" if number >= 1000 else str(number)


def read(path: Path) -> GgufMetadata:
    """Read a file; seconds for one of some gigabytes. Raises OSError."""
    parameters, problem = 0, ""
    try:
        info, parameters = read_header(path)
    except BrokenHeader as error:
        info, problem = error.metadata, str(error)
        log.warning("%s; what it has no value for is unknown", problem)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    status = path.stat()
    kind = info.get("general.file_type")
    return GgufMetadata(
        size=status.st_size,
        digest=digest,
        modified=datetime.fromtimestamp(status.st_mtime, UTC),
        template=str(info.get("tokenizer.chat_template", "")),
        parameters=parameters,
        quantization=FILE_TYPES.get(kind, UNKNOWN) if isinstance(kind, int) else UNKNOWN,
        info=info,
        problem=problem,
    )


class MetadataCache:
    """The metadata of each `--gguf` file, read once, in a thread."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._reading: dict[str, asyncio.Task[GgufMetadata]] = {}

    def start(self) -> None:
        """Begin to read them all, before the first request."""
        for name in self._files:
            self._start_reading(name)

    async def get(self, name: str) -> GgufMetadata:
        """Raises what `read` raises."""
        # One client that leaves must not end the reading for the others.
        return await asyncio.shield(self._start_reading(name))

    def _start_reading(self, name: str) -> asyncio.Task[GgufMetadata]:
        if name not in self._reading:
            self._reading[name] = asyncio.create_task(asyncio.to_thread(read, self._files[name]))
        return self._reading[name]

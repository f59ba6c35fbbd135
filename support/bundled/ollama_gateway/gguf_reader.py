"""The header of a GGUF file: its metadata, and the number of its parameters.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The `gguf` package needs numpy, and an
array for each token: many seconds for a large vocabulary, and the first chat would wait for them.
"""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path
from typing import Any

Value = str | int | float | bool | list["Value"]

VERSIONS = (2, 3)
# The value types of a fixed size, as `struct` names them.
_FIXED = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# No model nests arrays; a file that does so may be made to exhaust the stack.
_MAX_DEPTH = 4


class BrokenHeader(ValueError):
    """It is not a GGUF file, or a damaged one; `metadata` is what was read before."""

    def __init__(self, message: str, metadata: dict[str, Value]) -> None:
        super().__init__(message)
        self.metadata = metadata


def read_header(path: Path) -> tuple[dict[str, Value], int]:
    """The metadata by key, and the number of elements of all tensors.

    Raises OSError, or `BrokenHeader` with the name of the file.
    """
    metadata: dict[str, Value] = {}
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return metadata, _Reader(content).header(metadata)
    except (struct.error, KeyError, ValueError, OverflowError, MemoryError) as error:
        raise BrokenHeader(f"{path.name} is not a GGUF file: {error}", metadata) from None


class _Reader:
    """Reads the values of a file one after the other. Raises struct.error at its end."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._position = 0

    def header(self, metadata: dict[str, Value]) -> int:
        """Fill the metadata; the number of elements of all tensors."""
        magic, version = self._content[:4], self._numbers("II")[1]
        if magic != b"GGUF" or version not in VERSIONS:
            raise struct.error(f"it begins with {magic!r}, version {version}")
        tensors, pairs = self._numbers("QQ")
        for _ in range(pairs):
            key = self._string()
            metadata[key] = self._value(self._integer("I"), _MAX_DEPTH)
        return sum(self._tensor_elements() for _ in range(tensors))

    def _value(self, kind: int, depth: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            value: Value = self._numbers(_FIXED[kind])[0]
            return value
        if not depth:
            raise struct.error("arrays are nested too deeply")
        kind, length = self._integer("I"), self._integer("Q")
        if kind in _FIXED:
            return list(self._numbers(f"{length}{_FIXED[kind]}"))
        return [self._value(kind, depth - 1) for _ in range(length)]

    def _tensor_elements(self) -> int:
        """The next entry of the list of tensors: name, dimensions, type and offset."""
        self._string()
        dimensions = self._numbers(f"{self._integer('I')}Q")
        self._numbers("IQ")
        return math.prod(dimensions)

    def _string(self) -> str:
        (text,) = struct.unpack_from(f"<{self._integer('Q')}s", self._content, self._position)
        self._position += len(text)
        return str(text, "utf-8")

    def _integer(self, layout: str) -> int:
        (value,) = self._numbers(layout)
        return int(value)

    def _numbers(self, layout: str) -> tuple[Any, ...]:
        layout = f"<{layout}"
        values = struct.unpack_from(layout, self._content, self._position)
        self._position += struct.calcsize(layout)
        return values

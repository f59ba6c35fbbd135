"""What a GGUF file states about its model, read with the `gguf` package (ggml/docs/gguf.md)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class GgufDetails:
    """`parameters`: their number; `quantization`: as in F16, Q4_K_M; `info`: numbers of the architecture."""

    architecture: str
    parameters: int
    quantization: str
    info: Mapping[str, float]


_NAME = b"general.name"
_TEXT = 8


def with_name(content: bytes, name: str) -> bytes:
    """A GGUF file with another `general.name`, cut or filled to the length of the old one: another digest."""
    place = content.index(_NAME) + len(_NAME)
    kind, length = struct.unpack_from("<IQ", content, place)
    assert kind == _TEXT
    start = place + struct.calcsize("<IQ")
    return content[:start] + name.encode()[:length].ljust(length, b"-") + content[start + length :]


@cache
def read_details(path: Path) -> GgufDetails:
    """Read a file. Raises ValueError when it is no GGUF file."""
    # Not at the top: numpy comes with it.
    from gguf import GGUFReader, LlamaFileType

    reader = GGUFReader(path)
    values = {name: field.contents() for name, field in reader.fields.items()}
    architecture = str(values["general.architecture"])
    number = values.get("general.file_type")
    # A newer one than the package knows, or none.
    known = {kind.value: kind.name for kind in LlamaFileType}
    kind = known.get(number, "unknown")
    return GgufDetails(
        architecture,
        sum(int(tensor.n_elements) for tensor in reader.tensors),
        kind.removeprefix("MOSTLY_").removeprefix("ALL_"),
        {
            name: value
            for name, value in values.items()
            if name.startswith(f"{architecture}.") and isinstance(value, int | float)
        },
    )

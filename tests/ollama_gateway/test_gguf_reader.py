"""The gateway's reader of GGUF headers, compared with the reader of llama.cpp's own package."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from gguf import GGUFReader, LlamaFileType

from support.bundled.ollama_gateway import gguf_metadata
from support.bundled.ollama_gateway.gguf_reader import read_header
from support.models.files import ModelFiles

HEADER = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)


def test_the_header_equals_that_of_the_gguf_package(model: ModelFiles) -> None:
    expected = GGUFReader(model.path)
    metadata, parameters = read_header(model.path)
    assert metadata == {
        name: field.contents() for name, field in expected.fields.items() if not name.startswith("GGUF.")
    }
    assert parameters == sum(int(tensor.n_elements) for tensor in expected.tensors) > 0


def test_every_file_type_of_the_package_has_its_name() -> None:
    expected = {kind.value: kind.name.partition("_")[2] for kind in LlamaFileType if kind.name != "GUESSED"}
    assert expected == gguf_metadata.FILE_TYPES


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"GGU", "buffer"),
        (b"GGML" + bytes(20), "begins with b'GGML'"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (HEADER, "buffer"),
        (HEADER + struct.pack("<Q", 2**63), "struct|buffer|large"),
        (HEADER + struct.pack("<Q1sI", 1, b"k", 99), "99"),
        (HEADER + struct.pack("<Q1sI", 1, b"\xff", 4), "utf-8"),
        (HEADER + struct.pack("<Q1sIIQ", 1, b"k", 9, 4, 2**62), "struct|buffer|large"),
        (HEADER + struct.pack("<Q1sI", 1, b"k", 9) + struct.pack("<IQ", 9, 1) * 1000, "nested"),
    ],
)
def test_what_is_no_gguf_file_is_rejected(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_header(file)


def test_a_truncated_header_is_rejected(tmp_path: Path, model: ModelFiles) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(model.path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="not a GGUF file"):
        read_header(file)

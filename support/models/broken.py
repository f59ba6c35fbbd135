"""Corrupt models: a valid model in which one file is changed or absent (`broken.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.models.files import Format, ModelFiles
from support.models.llama import random_model
from support.models.writers import WEIGHTS_FILE, write

TABLE = Path(__file__).with_name("broken.toml")
WIDTH = 64


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to corrupt a model. words: lower-case; a helpful error message contains one of them.

    file: what is changed in a SafeTensors folder, the weights by default.
    """

    name: str
    format: Format
    words: tuple[str, ...]
    file: str = WEIGHTS_FILE


CORRUPTIONS = {
    name: Corruption(name, **row | {"words": tuple(row["words"])})
    for name, row in tomllib.loads(TABLE.read_text(encoding="utf-8")).items()
}


def corruption(name: str) -> Corruption:
    """One of CORRUPTIONS; ValueError names them all."""
    if name not in CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}: {', '.join(CORRUPTIONS)} are known")
    return CORRUPTIONS[name]


def write_broken(chosen: Corruption, into: Path) -> ModelFiles:
    """Writes one corrupt model into a directory, which is made if needed and should be empty."""
    into.mkdir(parents=True, exist_ok=True)
    file = None if chosen.format == "safetensors" else f"broken.{chosen.format}"
    files = ModelFiles(into, file, chosen.format)
    write(random_model(WIDTH), files)
    path = into / (file or chosen.file)
    valid = path.read_bytes()
    path.unlink()
    if chosen.name in _CHANGES:
        path.write_bytes(_CHANGES[chosen.name](valid))
    return files


def _replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Another text of the same length: the header of a GGUF file has the length of each name."""
    return lambda valid: valid.replace(old, new)


# The bytes of the file; those that are not here have no such file.
_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _valid: b"",
    "truncated_header": lambda valid: valid[:176],
    "truncated_data": lambda valid: valid[: -len(valid) // 3],
    "wrong_magic": lambda valid: b"XXXX" + valid[4:],
    "unknown_version": lambda valid: valid[:4] + (9).to_bytes(4, "little") + valid[8:],
    "unknown_architecture": _replace(b"llama", b"hydra"),
    "missing_context_length": _replace(b"llama.context_length", b"llama.other_quantity"),
    "missing_tokenizer": _replace(b"tokenizer.ggml.", b"something.else."),
    "missing_merges": _replace(b"tokenizer.ggml.merges", b"tokenizer.ggml.others"),
    "missing_tensor": _replace(b"token_embd.weight", b"some_other.weight"),
    "safetensors_truncated": lambda valid: valid[: len(valid) // 2],
    "safetensors_config_not_json": lambda _valid: b"{not json",
    "safetensors_tokenizer_config_not_json": lambda _valid: b"{not json",
    "safetensors_unknown_class": _replace(b"LlamaForCausalLM", b"SphinxForCausalLM"),
    "ggml_garbage": lambda _valid: b"hello, this is no model\n" * 100,
}

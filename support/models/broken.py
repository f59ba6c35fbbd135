"""Corrupt models: the table of corruptions (`broken.toml`), and how each is made from a valid model."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.models.files import Format, ModelFiles
from support.models.llama import TinyModel
from support.models.random_model import random_model
from support.models.writers import WEIGHTS_FILE, write, write_gguf

TABLE = Path(__file__).with_name("broken.toml")
WIDTH = 64


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to corrupt a model. words: lower-case; a helpful error message contains one of them."""

    name: str
    format: Format
    words: tuple[str, ...]


CORRUPTIONS = {
    name: Corruption(name, row["format"], tuple(row["words"]))
    for name, row in tomllib.loads(TABLE.read_text(encoding="utf-8")).items()
}


def corruption(name: str) -> Corruption:
    """One of CORRUPTIONS; ValueError names them all."""
    if name not in CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}: {', '.join(CORRUPTIONS)} are known")
    return CORRUPTIONS[name]


def write_broken(name: str, into: Path) -> ModelFiles:
    """Writes one corrupt model into a directory, which is made if needed and should be empty."""
    chosen = corruption(name)
    into.mkdir(parents=True, exist_ok=True)
    file = None if chosen.format == "safetensors" else f"broken.{chosen.format}"
    files = ModelFiles(into, file, chosen.format)
    _BUILDERS[name](files)
    return files


@cache
def _valid() -> TinyModel:
    return random_model(WIDTH)


def _gguf(
    architecture: str = "llama", keys: tuple[str, ...] = (), tensors: tuple[str, ...] = ()
) -> Callable[[ModelFiles], None]:
    """A GGUF file with this architecture, without these keys and tensors."""
    return lambda files: write_gguf(_valid(), files.path, architecture, keys, tensors)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[ModelFiles], None]:
    """A valid model whose file's bytes are then changed."""

    def build(files: ModelFiles) -> None:
        write(_valid(), files.directory, files.format, "broken")
        path = files.path if files.file else files.directory / WEIGHTS_FILE
        path.write_bytes(change(path.read_bytes()))

    return build


def _replace_file(name: str, text: str | None) -> Callable[[ModelFiles], None]:
    """A valid folder in which one file has another text, or is absent."""

    def build(files: ModelFiles) -> None:
        write(_valid(), files.directory, files.format, "broken")
        (files.directory / name).unlink()
        if text is not None:
            (files.directory / name).write_text(text, encoding="utf-8")

    return build


def _unknown_class(files: ModelFiles) -> None:
    write(_valid(), files.directory, files.format, "broken")
    path = files.directory / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | {"architectures": ["SphinxForCausalLM"]}), encoding="utf-8")


_BUILDERS: dict[str, Callable[[ModelFiles], None]] = {
    "empty": _bytes(lambda _valid: b""),
    "truncated_header": _bytes(lambda valid: valid[:176]),
    "truncated_data": _bytes(lambda valid: valid[: -len(valid) // 3]),
    "wrong_magic": _bytes(lambda valid: b"XXXX" + valid[4:]),
    "unknown_version": _bytes(lambda valid: valid[:4] + (9).to_bytes(4, "little") + valid[8:]),
    "unknown_architecture": _gguf(architecture="sphinx"),
    "missing_context_length": _gguf(keys=("llama.context_length",)),
    "missing_tokenizer": _gguf(keys=("tokenizer.ggml.",)),
    "missing_merges": _gguf(keys=("tokenizer.ggml.merges",)),
    "missing_tensor": _gguf(tensors=("token_embd.weight",)),
    "safetensors_no_tokenizer": _replace_file("tokenizer.json", None),
    "safetensors_no_config": _replace_file("config.json", None),
    "safetensors_no_weights": _replace_file(WEIGHTS_FILE, None),
    "safetensors_truncated": _bytes(lambda valid: valid[: len(valid) // 2]),
    "safetensors_config_not_json": _replace_file("config.json", "{not json"),
    "safetensors_tokenizer_config_not_json": _replace_file("tokenizer_config.json", "{not json"),
    "safetensors_unknown_class": _unknown_class,
    "ggml_garbage": _bytes(lambda _valid: b"hello, this is no model\n" * 100),
}

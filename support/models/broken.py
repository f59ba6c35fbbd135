"""The catalogue of broken models, as a table, and how each is made from a whole one in some milliseconds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.models.files import Format, ModelFiles
from support.models.llama import TinyModel
from support.models.random_model import random_model
from support.models.writers import WEIGHTS_FILE, write, write_gguf

CONTEXT = 512

_BACKTRACE = re.compile(r"\n\s*(?:0: |Stack backtrace)")
_ABSOLUTE_PATH = re.compile(r"(?<!\w)/\S+")


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to break a model.

    sentence: what is wrong, for a report. words: lower-case; a message that helps the user names at least one
    of them (the union over the versions of mistral.rs that were asked, and what any clear message would say).
    """

    name: str
    format: Format
    description: str
    words: tuple[str, ...]

    def is_named_by(self, message: str) -> bool:
        """Whether a message tells the user what is wrong; its backtrace and absolute paths do not count."""
        told = _ABSOLUTE_PATH.sub(" ", _BACKTRACE.split(message)[0]).lower()
        return any(word in told for word in self.words)


CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption(
        "empty",
        "gguf",
        "the model file is empty",
        ("shorter than its magic", "empty", "too short", "fill whole buffer", "end of file"),
    ),
    Corruption(
        "truncated_header",
        "gguf",
        "the download stopped within the header",
        ("header", "remain", "truncated", "fill whole buffer", "end of file", "too short"),
    ),
    Corruption(
        "truncated_data",
        "gguf",
        "the download stopped within the weights",
        (
            "outside file length",
            "storage ends",
            "truncated",
            "fill whole buffer",
            "end of file",
            "incomplete",
        ),
    ),
    Corruption("wrong_magic", "gguf", "the file is not a GGUF file at all", ("magic", "not a gguf")),
    Corruption(
        "unknown_version", "gguf", "the file has a GGUF version that does not exist yet", ("version",)
    ),
    Corruption(
        "unknown_architecture",
        "gguf",
        "the model has an architecture that nobody knows",
        ("architecture", "sphinx"),
    ),
    Corruption(
        "missing_context_length",
        "gguf",
        "the file does not say how long a conversation may be",
        ("context_length",),
    ),
    Corruption("missing_tokenizer", "gguf", "the file has no tokenizer", ("tokenizer",)),
    Corruption("missing_merges", "gguf", "the tokenizer in the file is incomplete", ("merges",)),
    Corruption(
        "missing_tensor", "gguf", "the file lacks a part of the weights", ("token_embd", "embed_tokens")
    ),
    Corruption(
        "safetensors_no_tokenizer",
        "safetensors",
        "the folder has no tokenizer",
        ("tokenizer.json", "tokenizer"),
    ),
    Corruption("safetensors_no_config", "safetensors", "the folder has no configuration", ("config.json",)),
    Corruption(
        "safetensors_no_weights", "safetensors", "the folder has no weights", (".safetensors", "weights")
    ),
    Corruption(
        "safetensors_truncated",
        "safetensors",
        "the download of the weights stopped half-way",
        # "checkpoint": the Python engine 0.9.5 says only "reading checkpoint tensor inventory".
        ("incomplete", "not fully covered", "truncated", "invalid header", "end of file", "checkpoint"),
    ),
    Corruption(
        "safetensors_config_not_json",
        "safetensors",
        "the configuration is not JSON",
        ("config.json", "json", "key must be a string", "expected", "line 1 column"),
    ),
    Corruption(
        "safetensors_tokenizer_config_not_json",
        "safetensors",
        "the tokenizer's configuration is not JSON",
        ("tokenizer_config", "json", "key must be a string", "expected", "line 1 column"),
    ),
    Corruption(
        "safetensors_unknown_class",
        "safetensors",
        "the configuration names a model class that nobody knows",
        ("sphinxforcausallm", "unsupported", "unknown architecture"),
    ),
    Corruption("ggml_garbage", "ggml", "the GGML file holds something else", ("magic", "not a ggml")),
)


def corruption(name: str) -> Corruption:
    """One of KINDS; ValueError names them all."""
    for one in CORRUPTIONS:
        if one.name == name:
            return one
    raise ValueError(
        f"unknown kind of broken model {name!r}: {', '.join(one.name for one in CORRUPTIONS)} are known"
    )


def write_broken(name: str, into: Path) -> ModelFiles:
    """Writes one broken model into a directory, which is made if needed and should be empty."""
    chosen = corruption(name)
    into.mkdir(parents=True, exist_ok=True)
    file = None if chosen.format == "safetensors" else f"broken.{chosen.format}"
    files = ModelFiles(into, file, chosen.format, CONTEXT)
    _BUILDERS[name](files)
    return files


@cache
def _whole() -> TinyModel:
    return random_model(context=CONTEXT, width=64, layers=1)


def _gguf(
    architecture: str = "llama", keys: tuple[str, ...] = (), tensors: tuple[str, ...] = ()
) -> Callable[[ModelFiles], None]:
    def make(files: ModelFiles) -> None:
        write_gguf(_whole(), files.path, architecture, keys, tensors)

    return make


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[ModelFiles], None]:
    """A whole model whose file's bytes are then changed."""

    def make(files: ModelFiles) -> None:
        write(_whole(), files.directory, files.format, "broken")
        path = files.path if files.file else files.directory / WEIGHTS_FILE
        path.write_bytes(change(path.read_bytes()))

    return make


def _replace_file(name: str, text: str | None) -> Callable[[ModelFiles], None]:
    """A whole folder in which one file has another text, or is absent."""

    def make(files: ModelFiles) -> None:
        write(_whole(), files.directory, files.format, "broken")
        if text is None:
            (files.directory / name).unlink()
        else:
            (files.directory / name).write_text(text, encoding="utf-8")

    return make


def _unknown_class(files: ModelFiles) -> None:
    write(_whole(), files.directory, files.format, "broken")
    path = files.directory / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | {"architectures": ["SphinxForCausalLM"]}), encoding="utf-8")


_BUILDERS: dict[str, Callable[[ModelFiles], None]] = {
    "empty": _bytes(lambda _whole: b""),
    "truncated_header": _bytes(lambda whole: whole[:176]),
    "truncated_data": _bytes(lambda whole: whole[: -len(whole) // 3]),
    "wrong_magic": _bytes(lambda whole: b"XXXX" + whole[4:]),
    "unknown_version": _bytes(lambda whole: whole[:4] + (9).to_bytes(4, "little") + whole[8:]),
    "unknown_architecture": _gguf(architecture="sphinx"),
    "missing_context_length": _gguf(keys=("llama.context_length",)),
    "missing_tokenizer": _gguf(keys=("tokenizer.ggml.",)),
    "missing_merges": _gguf(keys=("tokenizer.ggml.merges",)),
    "missing_tensor": _gguf(tensors=("token_embd.weight",)),
    "safetensors_no_tokenizer": _replace_file("tokenizer.json", None),
    "safetensors_no_config": _replace_file("config.json", None),
    "safetensors_no_weights": _replace_file(WEIGHTS_FILE, None),
    "safetensors_truncated": _bytes(lambda whole: whole[: len(whole) // 2]),
    "safetensors_config_not_json": _replace_file("config.json", "{not json"),
    "safetensors_tokenizer_config_not_json": _replace_file("tokenizer_config.json", "{not json"),
    "safetensors_unknown_class": _unknown_class,
    "ggml_garbage": _bytes(lambda _whole: b"hello, this is no model\n" * 100),
}

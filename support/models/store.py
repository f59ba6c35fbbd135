"""The one public face of the models: made when first asked for, kept by content, shared by workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from support.models import verification
from support.models.cache import build_once
from support.models.files import FORMATS, Format, ModelFiles
from support.models.script import Script

# numpy, gguf and tokenizers are imported where a model is made: with a warm cache a run starts without them.
if TYPE_CHECKING:
    from support.models.compiler import CompiledModel
    from support.models.llama import TinyModel


TOOLS_TEMPLATE = Path(__file__).with_name("tools_template.jinja")


class ModelStore:
    """Models in a cache directory that any number of processes may share.

    prove: ask the real engine once, when a model is made. Errors: ScriptError for a script that cannot become
    a model, `catalogue.ModelUnavailable` for a packaged model that cannot be had, ValueError for an unknown
    format or kind.
    """

    def __init__(self, cache: Path, *, verify: bool = True) -> None:
        self._cache = cache
        self._verify = verify

    def scripted(
        self, script: Script | None = None, format: Format = "gguf", context: int = 4096
    ) -> ModelFiles:
        """A model that says the script (the suite's own without one), about 4.6 MB.

        context: 512 to 32768 tokens.
        """
        said = script or Script.standard()

        def make(files: ModelFiles) -> None:
            model = self.compiled(said, context)
            _write(model, files)
            if self._verify:
                verification.verify_script(files, model)

        return self._entry("scripted", format, context, said.digest, make)

    def scripted_with_tools(self, script: Script | None = None, context: int = 4096) -> ModelFiles:
        """The same weights in a GGUF file whose chat template has places for tools and thoughts."""
        said = script or Script.standard()
        template = TOOLS_TEMPLATE.read_text(encoding="utf-8")

        def make(files: ModelFiles) -> None:
            from support.models.writers import write_gguf

            model = self.compiled(said, context)
            write_gguf(model, files.path, template=template)
            if self._verify:
                verification.verify_script(files, model)

        return self._entry("scripted_with_tools", "gguf", context, f"{said.digest} {template}", make)

    def compiled(self, script: Script | None = None, context: int = 4096) -> CompiledModel:
        """The same model in memory: its tokenizer counts what a server should count."""
        return _compiled(script or Script.standard(), context)

    def random(
        self, format: Format = "gguf", context: int = 4096, width: int = 128, layers: int = 2, seed: int = 0
    ) -> ModelFiles:
        """Small random weights: fluent nonsense that next to never ends by itself, about 2.5 MB as preset.

        width: a multiple of 64. For sampling, throughput and fuzz.
        """

        def make(files: ModelFiles) -> None:
            from support.models.random_model import random_model

            _write(random_model(context, width, layers, seed), files)
            if self._verify:
                verification.verify_random(files)

        return self._entry("random", format, context, f"{width} {layers} {seed}", make)

    def categorical(self, context: int = 4096) -> ModelFiles:
        """A model whose next word is drawn from a known distribution, about 1 MB (see `dice`)."""

        def make(files: ModelFiles) -> None:
            from support.models.categorical import WORDS, categorical_model

            _write(categorical_model(context), files)
            if self._verify:
                verification.verify_categorical(files, WORDS[0])

        return self._entry("categorical", "gguf", context, "", make)

    def embedding(self, context: int = 512) -> ModelFiles:
        """A tiny embedding model: vectors of 128 numbers, of length 1."""

        def make(files: ModelFiles) -> None:
            from support.models.embedding import write_embedding

            write_embedding(files.directory, context)

        return self._entry("embedding", "safetensors", context, "", make)

    def broken(self, corruption: str, into: Path) -> ModelFiles:
        """Writes a broken model (a name of `broken.KINDS`) into a directory, which is made if needed."""
        from support.models.broken import write_broken

        return write_broken(corruption, into)

    def smollm2(self) -> ModelFiles:
        """SmolLM2-135M-Instruct, a real small model (see `catalogue`)."""
        from support.models.smollm2 import smollm2

        return smollm2(self._cache)

    def _entry(
        self, name: str, format: Format, context: int, content: str, build: Callable[[ModelFiles], None]
    ) -> ModelFiles:
        if format not in FORMATS:
            raise ValueError(f"unknown model format {format!r}: {', '.join(FORMATS)} are known")
        proved = verification.engine_version() if self._verify else None
        key = json.dumps([name, format, context, content, _build_digest(), proved])
        entry = self._cache / f"{name}-{format}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        file = None if format == "safetensors" else f"{name}.{format}"
        files = ModelFiles(entry, file, format, context)
        build_once(entry, lambda part: build(ModelFiles(part, file, format, context)))
        return files


def _write(model: TinyModel, files: ModelFiles) -> None:
    from support.models.writers import write

    write(model, files.directory, files.format, name=Path(files.file).stem if files.file else "")


@lru_cache(maxsize=8)
def _compiled(script: Script, context: int) -> CompiledModel:
    from support.models.compiler import compile_script

    return compile_script(script, context)


@cache
def _build_digest() -> str:
    """Digest of the code and data that decide the bytes of a model: a change makes every model anew."""
    here = Path(__file__).parent
    names = (
        "compiler.py",
        "categorical.py",
        "embedding.py",
        "writers.py",
        "random_model.py",
        "llama.py",
        "vocabulary.py",
        "data/merges.txt",
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update((here / name).read_bytes())
    return digest.hexdigest()

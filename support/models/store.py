"""The public interface of the models: built on first use, cached by content, shared by workers."""

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

TOOLS_TEMPLATE = Path(__file__).with_name("tools_template.jinja")


class ModelStore:
    """Models in a cache directory that any number of processes may share.

    verify: send requests to the real engine once, when a model is built. Raises ScriptError for a script that
    cannot become a model, ValueError for an unknown format or corruption.
    """

    def __init__(self, cache: Path, *, verify: bool = True) -> None:
        self._cache = cache
        self._verify = verify

    def scripted(
        self, script: Script | None = None, format: Format = "gguf", context: int = 4096
    ) -> ModelFiles:
        """A model with the answers of a script (the suite's own without one), about 4.6 MB.

        context: 512 to 32768 tokens.
        """
        return self._scripted("scripted", script or Script.standard(), format, context, None)

    def scripted_with_tools(self, script: Script | None = None, context: int = 4096) -> ModelFiles:
        """The same weights in a GGUF file whose chat template renders tools and thinking."""
        template = TOOLS_TEMPLATE.read_text(encoding="utf-8")
        return self._scripted("scripted_with_tools", script or Script.standard(), "gguf", context, template)

    def _scripted(
        self, name: str, script: Script, format: Format, context: int, template: str | None
    ) -> ModelFiles:
        def build(files: ModelFiles) -> None:
            from support.models.writers import write, write_gguf

            model = self.compiled(script, context)
            if template is None:
                write(model, files.directory, files.format, name)
            else:
                write_gguf(model, files.path, template=template)
            if self._verify:
                verification.verify_script(files, model)

        content = script.digest if template is None else f"{script.digest} {template}"
        return self._entry(name, format, f"{context} {content}", build)

    def compiled(self, script: Script | None = None, context: int = 4096) -> CompiledModel:
        """The same model in memory: its tokenizer counts what a server should count."""
        return _compiled(script or Script.standard(), context)

    def categorical(self, context: int = 4096) -> ModelFiles:
        """A model whose next token is sampled from a known distribution, about 1 MB."""

        def build(files: ModelFiles) -> None:
            from support.models.categorical import WORDS, categorical_model
            from support.models.writers import write

            write(categorical_model(context), files.directory, files.format, "categorical")
            if self._verify:
                verification.verify_categorical(files, WORDS[0])

        return self._entry("categorical", "gguf", str(context), build)

    def embedding(self) -> ModelFiles:
        """A tiny embedding model: vectors of 128 numbers, of length 1."""

        def build(files: ModelFiles) -> None:
            from support.models.embedding import write_embedding

            write_embedding(files.directory)

        return self._entry("embedding", "safetensors", "", build)

    def broken(self, corruption: str, into: Path) -> ModelFiles:
        """Writes a corrupt model (a name in `broken.toml`) into a directory, which is made if needed."""
        from support.models.broken import write_broken

        return write_broken(corruption, into)

    def _entry(
        self, name: str, format: Format, content: str, build: Callable[[ModelFiles], None]
    ) -> ModelFiles:
        if format not in FORMATS:
            raise ValueError(f"unknown model format {format!r}: {', '.join(FORMATS)} are known")
        verified = verification.engine_version() if self._verify else None
        key = json.dumps([name, format, content, _build_digest(), verified])
        entry = self._cache / f"{name}-{format}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        file = None if format == "safetensors" else f"{name}.{format}"
        files = ModelFiles(entry, file, format)
        build_once(entry, lambda part: build(ModelFiles(part, file, format)))
        return files


@lru_cache(maxsize=8)
def _compiled(script: Script, context: int) -> CompiledModel:
    from support.models.compiler import compile_script

    return compile_script(script, context)


@cache
def _build_digest() -> str:
    """Digest of the code and data that decide the bytes of a model: a change rebuilds every model."""
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

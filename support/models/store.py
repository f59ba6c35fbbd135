"""The public interface of the models: built on first use, cached by content, shared by workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from support.models import verification
from support.models.files import FORMATS, QUANTISATIONS, Format, ModelFiles, Quantisation, build_once
from support.models.script import Script

# numpy, gguf and tokenizers are imported where a model is made: with a warm cache a run starts without them.
if TYPE_CHECKING:
    from support.models.compiler import CompiledModel

TOOLS_TEMPLATE = Path(__file__).with_name("tools_template.jinja")


class ModelStore:
    """Models in a cache directory that any number of processes may share.

    verify: send requests to the real engine once, when a model is built. Raises ScriptError for a script that
    cannot become a model, ValueError for an unknown format.
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
        return self._scripted("scripted", script or Script.standard(), format, context)

    def scripted_with_tools(self, script: Script, context: int = 4096) -> ModelFiles:
        """The same weights in a GGUF file whose chat template renders tools and thinking."""
        template = TOOLS_TEMPLATE.read_text(encoding="utf-8")
        return self._scripted("scripted_with_tools", script, "gguf", context, template)

    def _scripted(
        self, name: str, script: Script, format: Format, context: int, template: str = ""
    ) -> ModelFiles:
        def build(files: ModelFiles) -> Sequence[verification.Probe]:
            from support.models.llama import CHAT_TEMPLATE
            from support.models.writers import write

            model = self.compiled(script, context)
            write(model, files, template or CHAT_TEMPLATE)
            return verification.script_probes(model, format)

        return self._entry(name, format, f"{context} {script.digest} {template}", build)

    def compiled(self, script: Script | None = None, context: int = 4096) -> CompiledModel:
        """The same model in memory: its tokenizer counts what a server should count."""
        return _compiled(script or Script.standard(), context)

    def categorical(self) -> ModelFiles:
        """A model whose next token is sampled from a known distribution, about 1 MB."""

        def build(files: ModelFiles) -> Sequence[verification.Probe]:
            from support.models.categorical import WORDS, categorical_model
            from support.models.writers import write

            model = categorical_model()
            write(model, files)
            return [verification.categorical_probe(model, WORDS[0])]

        return self._entry("categorical", "gguf", "", build)

    def sized(self, millions: float, quantisation: Quantisation = "F16") -> ModelFiles:
        """A GGUF file with about so many million random weights (`support.models.sized`); not verified."""
        if quantisation not in QUANTISATIONS:
            raise ValueError(f"unknown quantisation {quantisation!r}: {', '.join(QUANTISATIONS)} are known")

        def build(files: ModelFiles) -> None:
            from support.models.llama import CHAT_TEMPLATE
            from support.models.sized import sized_model
            from support.models.writers import write

            write(sized_model(millions), files, CHAT_TEMPLATE, quantisation)

        return self._entry(f"random-{millions:g}m-{quantisation.lower()}", "gguf", "", build)

    def embedding(self, format: Format = "safetensors") -> ModelFiles:
        """A tiny embedding model: vectors of 128 numbers, of length 1 (GGUF: any length)."""
        if format == "ggml":
            raise ValueError("there is no embedding model in the format GGML")

        def build(files: ModelFiles) -> None:
            from support.models.embedding import write_embedding, write_embedding_gguf

            if format == "gguf":
                write_embedding_gguf(files)
            else:
                write_embedding(files.directory)

        return self._entry("embedding", format, "", build)

    def _entry(
        self,
        name: str,
        format: Format,
        content: str,
        build: Callable[[ModelFiles], Sequence[verification.Probe] | None],
    ) -> ModelFiles:
        """The entry with this content. `build` fills a directory; its result: how to verify it, if at all."""
        if format not in FORMATS:
            raise ValueError(f"unknown model format {format!r}: {', '.join(FORMATS)} are known")
        verified = verification.engine_version() if self._verify else None
        key = json.dumps([name, format, content, _build_digest(), verified])
        entry = self._cache / f"{name}-{format}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        files = ModelFiles(entry, None if format == "safetensors" else f"{name}.{format}", format)

        def fill(part: Path) -> None:
            made = replace(files, directory=part)
            probes = build(made)
            if self._verify and probes is not None:
                verification.verify(made, probes)

        build_once(entry, fill)
        return files


@lru_cache(maxsize=8)
def _compiled(script: Script, context: int) -> CompiledModel:
    from support.models.compiler import compile_script

    return compile_script(script, context)


@cache
def _build_digest() -> str:
    """Digest of the code and data that decide the bytes of a model: a change rebuilds every model."""
    here = Path(__file__).parent
    modules = ("compiler", "categorical", "embedding", "writers", "llama", "sized", "vocabulary")
    digest = hashlib.sha256()
    for file in (*(f"{name}.py" for name in modules), "data/merges.txt"):
        digest.update((here / file).read_bytes())
    return digest.hexdigest()

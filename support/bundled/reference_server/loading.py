"""From the model options of the command line to a loaded engine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # pydantic comes with it, which most calls do without.
    from support.bundled.reference_server.mcp_client import Configuration

_SUFFIXES = {".gguf": "gguf", ".ggml": "ggml"}
MCP_VARIABLE = "MCP_CONFIG_PATH"
RAW_TEMPLATE = Path(__file__).with_name("raw_prompt.jinja")


class LoadError(Exception):
    """The model cannot be loaded: `Error: ...` on standard error, exit code 1."""


class EnginePanic(Exception):
    """The engine panicked, and has printed so on standard error: exit code 101, as the binary's."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The model options of `serve`, `run` and `bench`, as typed. `kind`: the subcommand of `serve`."""

    kind: str = "auto"
    model_id: str | None = None
    format: str | None = None
    quantized_file: str | None = None
    tok_model_id: str | None = None
    chat_template: str | None = None
    dtype: str = "auto"
    isq: str | None = None
    max_seqs: int = 32
    no_kv_cache: bool = False
    prefix_cache_n: int = 16
    mcp_config: str | None = None
    seed: int | None = None
    token_source: str = "cache"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Which model is meant: `model_id` is a directory or a repository, `files` are names in it."""

    model_id: str
    format: str
    files: tuple[str, ...] = ()


def resolve_model(options: ModelOptions) -> ModelSource:
    """Apply the rules of `mistralrs` 0.9. Raises `LoadError` with its message."""
    files = tuple((options.quantized_file or "").split(";")) if options.quantized_file else ()
    formats = {_SUFFIXES.get(Path(name).suffix) for name in files}
    if files and options.format == "plain":
        raise LoadError("`--quantized-file` cannot be used with plain model format")
    if {"gguf", "ggml"} <= formats:
        raise LoadError("`--quantized-file` contains mixed GGUF and GGML filenames")
    inferred = next(iter(formats)) if len(formats) == 1 else None
    if options.format and inferred and options.format != inferred:
        raise LoadError(f"`--format {options.format}` conflicts with the `--quantized-file` suffix")
    if options.kind == "embedding" and {options.format, inferred} & {"gguf", "ggml"}:
        raise LoadError("Embedding models do not support GGUF or GGML format")
    chosen = options.format or inferred or (None if files else "plain")
    if chosen is None:
        raise LoadError(
            "Cannot infer model format from `--quantized-file`. Pass `--format gguf` or `--format ggml`."
        )
    if chosen != "plain" and not files:
        raise LoadError(
            f"{chosen.upper()} format requires a model file. Pass `-f <model.{chosen}>` to select one."
        )
    if options.model_id is not None:
        return ModelSource(options.model_id, chosen, files)
    if not files:
        raise LoadError("--model-id (-m) is required unless `-f` is provided")
    for name in files:
        if not Path(name).is_file():
            raise LoadError(f"Local quantized model file `{name}` does not exist or is not a file")
    return ModelSource(str(Path(files[0]).parent), chosen, tuple(Path(name).name for name in files))


def load(options: ModelOptions, *, raw_prompts: bool = False) -> Any:
    """The engine's `Runner`, with the model loaded; takes as long as that takes.

    `raw_prompts`: the message's text is the whole prompt, no chat template is applied.
    Raises `LoadError` with the engine's own text, `EnginePanic` when it panicked.
    """
    source = resolve_model(options)
    if all(Path(place).is_dir() for place in (source.model_id, options.tok_model_id or source.model_id)):
        # A local directory needs no network: the engine must not try.
        os.environ["HF_HUB_OFFLINE"] = "1"
    # Frames of the interpreter would be glued to each message of the engine.
    os.environ.pop("RUST_BACKTRACE", None)
    tools = None if raw_prompts else _tool_servers(options)
    import mistralrs

    wheel: Any = mistralrs
    try:
        return wheel.Runner(
            _which(wheel, source, options),
            max_seqs=options.max_seqs,
            no_kv_cache=options.no_kv_cache,
            prefix_cache_n=options.prefix_cache_n,
            token_source=options.token_source,
            chat_template=options.chat_template,
            jinja_explicit=str(RAW_TEMPLATE) if raw_prompts else None,
            in_situ_quant=options.isq,
            seed=options.seed,
            mcp_client_config=tools.native() if tools else None,
        )
    except Exception as error:
        raise LoadError(str(error)) from error
    except BaseException as error:
        raise as_engine_panic(error) from error


def _tool_servers(options: ModelOptions) -> Configuration | None:
    if options.mcp_config is None and MCP_VARIABLE not in os.environ:
        return None
    from support.bundled.reference_server.mcp_client import ConfigError, read_configuration

    try:
        return read_configuration(options.mcp_config or os.environ[MCP_VARIABLE])
    except ConfigError as error:
        raise LoadError(str(error)) from error


def as_engine_panic(error: BaseException) -> BaseException:
    """`EnginePanic` for a panic of the engine (which is no `Exception` in pyo3), else the error itself."""
    return EnginePanic(str(error)) if type(error).__name__ == "PanicException" else error


def _which(wheel: Any, source: ModelSource, options: ModelOptions) -> Any:
    dtype = getattr(wheel.ModelDType, options.dtype.upper() if options.dtype != "auto" else "Auto")
    if source.format == "gguf":
        return wheel.Which.GGUF(
            source.model_id, list(source.files), tok_model_id=options.tok_model_id, dtype=dtype
        )
    if source.format == "ggml":
        return wheel.Which.GGML(
            source.model_id, source.files[0], options.tok_model_id or source.model_id, dtype=dtype
        )
    # As in the binary (0.8.1, 0.9.2): a model that makes vectors is loaded as such only when called so.
    if options.kind == "embedding":
        return wheel.Which.Embedding(source.model_id, dtype=dtype)
    return wheel.Which.Plain(source.model_id, dtype=dtype)

"""The command line `mistralrs-reference`: that of `mistralrs` 0.9, as far as the engine's package reaches.

Nothing heavy is imported before a command needs it: `--version`, `--help` and wrong arguments stay quick.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from support.bundled.reference_server import logs
from support.bundled.reference_server.clap import Group, Option
from support.bundled.reference_server.loading import EnginePanic, LoadError, ModelOptions, resolve_model

EXIT_ERROR = 1
EXIT_PANIC = 101
_TOKEN_SOURCE = "Where the hub's token comes from: literal:, env:, path:, cache or none."


def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """An option with clap's error texts."""
    return click.option(*names, cls=Option, **settings)


def _unavailable(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None:
        raise click.UsageError(
            f"'{max(param.opts, key=len)}' is not available in the reference stack: "
            "the engine's Python package has no such setting",
            ctx,
        )


def unavailable(name: str, **settings: Any) -> Callable[[Any], Any]:
    """An option of the binary that the engine's package lacks: refused in plain words, not ignored."""
    return option(name, callback=_unavailable, expose_value=False, hidden=True, **settings)


KINDS = ("auto", "text", "embedding")
_UNSUPPORTED_KINDS = ("multimodal", "diffusion", "speech")


def _kind(ctx: click.Context, _: click.Parameter, value: str | None) -> str:
    """The kind of model, which is a subcommand in the binary; its options may stand on either side here."""
    if value in _UNSUPPORTED_KINDS:
        raise click.UsageError(f"'{value}' is not available in the reference stack: it serves text", ctx)
    if value not in (None, *KINDS):
        raise click.UsageError(f"unrecognized subcommand '{value}'", ctx)
    return value or KINDS[0]


_LOG = option("-l", "--log", type=click.Path(path_type=Path), help="Append each request to this file.")
_GLOBAL = (
    option("--seed", type=int, help="Seed of the random numbers."),
    option("--token-source", default="cache", show_default=True, help=_TOKEN_SOURCE),
    option("-v", "--verbose", count=True, help="Show debug lines; twice: trace lines. RUST_LOG replaces it."),
)
_MODEL = (
    option("-m", "--model-id", help="Directory of the model, or its name on the hub."),
    option("--format", type=click.Choice(["plain", "gguf", "ggml"]), help="Format of the model."),
    option("-f", "--quantized-file", help="File name(s) in that directory, separated by `;`."),
    option("-t", "--tok-model-id", help="Where the tokenizer is, when it is not in the file."),
    option("-c", "--chat-template", help="Chat template file (.json or .jinja)."),
    option("--dtype", type=click.Choice(["auto", "bf16", "f16", "f32"]), default="auto", show_default=True),
    option("--isq", conflicts_with="quant", help="Quantize while loading, for instance Q4K or 8."),
    option("--quant", conflicts_with="isq", help="The same as --isq here: nothing is fetched quantized."),
    option("--no-kv-cache", is_flag=True, help="Work without the KV cache."),
    unavailable("--max-seq-len"),
    unavailable("--pa-memory-mb", conflicts_with="pa_context_len"),
    unavailable("--pa-context-len", conflicts_with="pa_memory_mb"),
    *_GLOBAL,
)
_MCP_CONFIG = option("--mcp-config", help="JSON file that names MCP servers whose tools the model may call.")
_SEQUENCES = (
    option("--max-seqs", type=click.IntRange(min=1), default=32, show_default=True, help="Answers at once."),
    option("--prefix-cache-n", type=click.IntRange(min=0), default=16, show_default=True),
)


def options(*several: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Apply options in the order in which they are to be shown."""

    def decorate(function: Any) -> Any:
        for each in reversed(several):
            function = each(function)
        return function

    return decorate


def with_model(function: Callable[..., None]) -> Callable[..., None]:
    """Gather the model options into `ModelOptions`, and turn failures into exit codes."""

    @wraps(function)
    def command(
        *, isq: str | None, quant: str | None, verbose: int, quantized_file: str | None, **given: Any
    ) -> None:
        logs.set_verbosity(verbose)
        # Loading happens in the engine, where Python would not notice a signal.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        fields = {name: given.pop(name) for name in list(given) if name in ModelOptions.__slots__}
        model = ModelOptions(isq=isq or quant, quantized_file=quantized_file, **fields)
        try:
            if quant and quantized_file:
                raise LoadError("`--quant` and `--quantized-file` are mutually exclusive")
            if model.kind == "embedding" and model.model_id is None:
                _raise_missing_option("model_id")
            # Before the server's and the engine's packages are imported: a refusal should not wait for them.
            resolve_model(model)
            function(model, **given)
        except LoadError as error:
            click.echo(f"Error: {error}", err=True)
            raise SystemExit(EXIT_ERROR) from None
        except EnginePanic:
            raise SystemExit(EXIT_PANIC) from None

    return command


def _raise_missing_option(name: str) -> NoReturn:
    """Refuse a call that lacks an option, in clap's words."""
    context = click.get_current_context()
    lacking = next(param for param in context.command.params if param.name == name)
    raise click.MissingParameter(ctx=context, param=lacking)


@click.group(
    cls=Group,
    name="mistralrs-reference",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@options(_LOG, *_GLOBAL)
@click.pass_context
def main(ctx: click.Context, /, **_: Any) -> None:
    """Command-line interface for mistral.rs LLM inference (reference stack)"""
    # Global options may stand before the subcommand too; there they are its defaults.
    given = {
        name: value
        for name, value in ctx.params.items()
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    ctx.default_map = dict.fromkeys(main.commands, given)


@main.command(name="help")
@click.argument("subcommand", required=False)
@click.pass_context
def help_command(ctx: click.Context, subcommand: str | None) -> None:
    """Print this message or the help of the given subcommand."""
    parent = ctx.parent or ctx
    command = main.commands.get(subcommand) if subcommand else main
    if command is None:
        raise click.UsageError(f"unrecognized subcommand '{subcommand}'", parent)
    shown = parent if command is main else click.Context(command, info_name=subcommand, parent=parent)
    click.echo(command.get_help(shown))


@main.command()
@click.argument("kind", required=False, callback=_kind, metavar="[COMMAND]")
@options(
    *_MODEL,
    *_SEQUENCES,
    _LOG,
    option("--host", default="0.0.0.0", show_default=True, help="Address to listen on."),
    option("-p", "--port", type=click.IntRange(0, 65535), default=1234, show_default=True, help="Port."),
    option(
        "--mcp-port", type=click.IntRange(0, 65535), help="Offer the model as an MCP server on this port too."
    ),
    _MCP_CONFIG,
    option("--no-ui", is_flag=True, expose_value=False, help="Accepted: there is no web UI here."),
    option("--disable-access-log", is_flag=True, help="No log line for each request."),
    option("--disable-metrics", is_flag=True, help="Answer /metrics with 503."),
)
@with_model
def serve(
    model: ModelOptions,
    log: Path | None,
    host: str,
    port: int,
    mcp_port: int | None,
    disable_access_log: bool,
    disable_metrics: bool,
) -> None:
    """Start an HTTP server with an OpenAI-compatible API.

    COMMAND is the kind of the model: auto, text or embedding.
    """
    from support.bundled.reference_server.serve import ServerOptions
    from support.bundled.reference_server.serve import serve as start

    start(model, host, port, ServerOptions(not disable_metrics, not disable_access_log, log), mcp_port)


@main.command()
@options(
    *_MODEL,
    *_SEQUENCES,
    _LOG,
    option("-i", "--input", "text", help="Answer this one message, then end."),
    _MCP_CONFIG,
    unavailable("--image", requires="text"),
)
@with_model
def run(model: ModelOptions, log: Path | None, text: str | None) -> None:
    """Talk with a model in the terminal."""
    from support.bundled.reference_server.interactive import run_interactive

    run_interactive(model, text, log)


@main.command()
@options(
    *_MODEL,
    option("--prompt-len", default="512", show_default=True, help="Prompt tokens; several with commas."),
    option("--gen-len", type=click.IntRange(min=0), default=128, show_default=True, help="Tokens to decode."),
    option("--depth", default="4", show_default=True, help="Tokens before decoding; several with commas."),
    option("--iterations", type=click.IntRange(min=0), default=3, show_default=True),
    option("--warmup", type=click.IntRange(min=0), default=1, show_default=True),
)
@with_model
def bench(
    model: ModelOptions,
    prompt_len: str,
    gen_len: int,
    depth: str,
    iterations: int,
    warmup: int,
) -> None:
    """Measure prefill and decode speed."""
    from support.bundled.reference_server.bench import Plan, measure

    measure(model, Plan.parse(prompt_len, gen_len, depth, iterations, warmup))


@main.command()
@options(option("--json", "as_json", is_flag=True, help="Print JSON."))
def doctor(as_json: bool) -> None:
    """Look at this machine: what is there, what is missing."""
    from support.bundled.reference_server.doctor import diagnose, render

    click.echo(render(diagnose(), as_json=as_json))


if __name__ == "__main__":
    main()

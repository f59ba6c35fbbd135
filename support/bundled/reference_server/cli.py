"""The command line `mistralrs-reference`: the commands and options of `mistralrs` 0.9 that the suite uses.

Nothing heavy is imported before a command needs it: `--version`, `--help` and usage errors stay fast.
An option of the binary that the engine's Python package lacks is rejected, never ignored.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from support.bundled.reference_server import logs
from support.bundled.reference_server.loading import EnginePanic, LoadError, ModelOptions, resolve_model

PROGRAM, ENGINE_PACKAGE = "mistralrs-reference", "mistralrs"
EXIT_ERROR, EXIT_USAGE, EXIT_PANIC = 1, 2, 101
COMMANDS = {
    "serve": "Start an HTTP server with an OpenAI-compatible API.",
    "run": "Chat with a model in the terminal.",
    "bench": "Measure prefill and decode speed (the binary only).",
    "doctor": "Diagnose the host.",
    "help": "Print this help, or the help of a command.",
}
KINDS = ("auto", "text", "embedding")
# Option -> number of its values.
_GLOBAL_OPTIONS = {"-v": 0, "-vv": 0, "--verbose": 0, "--seed": 1, "--token-source": 1, "-l": 1, "--log": 1}
UNAVAILABLE = ("--max-seq-len", "--pa-memory-mb", "--pa-context-len", "--image")


class _StoreOnce(argparse.Action):
    """Store a value; giving the option again is an error, as in the binary."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        name: str | None = None,
    ) -> None:
        seen: set[str] = namespace.__dict__.setdefault("seen", set())
        if name is not None and self.dest in seen:
            raise argparse.ArgumentError(self, "given more than once")
        seen.add(self.dest)
        setattr(namespace, self.dest, values)


class _Version(argparse.Action):
    """Print the program's name and the engine's version, which is looked up only now."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"{PROGRAM} {version(ENGINE_PACKAGE)}")
        parser.exit()


def _new_parser(command: str, **settings: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}".rstrip(),
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **settings,
    )
    parser.register("action", None, _StoreOnce)
    return parser


def _count(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers between two limits."""

    def read(value: str) -> int:
        limits = f"from {minimum} to {maximum}" if maximum is not None else f"of {minimum} or more"
        if not value.isascii() or not value.isdigit():
            raise argparse.ArgumentTypeError(f"{value!r} is not a whole number {limits}")
        if int(value) < minimum or (maximum is not None and int(value) > maximum):
            raise argparse.ArgumentTypeError(f"{value} is not a number {limits}")
        return int(value)

    return read


_port = _count(0, 65535)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command. Exit codes: 0, 1 for an error, 2 for wrong usage, 101 for a panic of the engine."""
    command, *rest = _command_first(sys.argv[1:] if arguments is None else arguments) or [""]
    if command not in COMMANDS:
        _usage(command)
    {"serve": _serve, "run": _run, "bench": _bench, "doctor": _doctor, "help": _help}[command](rest)
    sys.exit(0)


def _command_first(arguments: Sequence[str]) -> list[str]:
    """Global options move behind the command: the binary takes them on either side."""
    at = 0
    while at < len(arguments) and arguments[at] in _GLOBAL_OPTIONS:
        at += 1 + _GLOBAL_OPTIONS[arguments[at]]
    return [*arguments[at : at + 1], *arguments[:at], *arguments[at + 1 :]]


def _top_parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<8}{text}" for name, text in COMMANDS.items())
    parser = _new_parser(
        "",
        usage=f"{PROGRAM} [-h] [-V] COMMAND ...",
        description="Command line of mistral.rs (reference server).",
        epilog=f"Commands:\n{listed}\n\n`{PROGRAM} COMMAND --help` shows the options of a command.",
    )
    parser.add_argument("-V", "--version", action=_Version, nargs=0, help="print the version")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the commands below")
    return parser


def _usage(first: str) -> NoReturn:
    """Everything but a known command: `--help`, `--version`, wrong usage."""
    parser = _top_parser()
    if not first:
        parser.print_help(sys.stderr)
        sys.exit(EXIT_USAGE)
    if first.startswith("-") and first not in ("-h", "--help", "-V", "--version"):
        parser.error(f"unrecognized arguments: {first}")
    parser.parse_args([first])
    raise AssertionError("a known command does not come here")


def _help(arguments: Sequence[str]) -> None:
    parser = _new_parser("help", description=COMMANDS["help"])
    parser.add_argument("command", choices=COMMANDS, nargs="?", metavar="COMMAND", help="a command")
    command = parser.parse_args(arguments).command
    main([command, "--help"] if command else ["--help"])


def _model_parser(command: str) -> argparse.ArgumentParser:
    """The options that `serve`, `run` and `bench` share."""
    parser = _new_parser(command, description=COMMANDS[command])
    add = parser.add_argument
    add("-m", "--model-id", help="directory of the model, or its name on the hub")
    add("--format", choices=["plain", "gguf", "ggml"], help="format of the model")
    add("-f", "--quantized-file", help="file name(s) in that directory, separated by `;`")
    add("-t", "--tok-model-id", help="directory of the tokenizer, if it is not in the file")
    add("-c", "--chat-template", help="chat template file (.json or .jinja)")
    add("--dtype", choices=["auto", "bf16", "f16", "f32"], default="auto")
    add("--no-kv-cache", action="store_true", help="disable the KV cache")
    add("--mcp-config", help="JSON file of MCP servers with tools for the model")
    add("--seed", type=int, help="seed of the random numbers")
    add("--token-source", default="cache", help="token of the hub: literal:, env:, path:, cache or none")
    add("-l", "--log", type=Path, help="append each request to this file")
    add("-v", "--verbose", action="count", default=0, help="debug lines; twice: trace. RUST_LOG overrides it")
    quantization = parser.add_mutually_exclusive_group()
    quantization.add_argument("--isq", help="quantize while loading, for instance Q4K or 8")
    quantization.add_argument("--quant", help="the same as --isq")
    if command != "bench":
        add("--max-seqs", type=_count(1), default=32, help="concurrent sequences (default: %(default)s)")
        add("--prefix-cache-n", type=_count(0), default=16, help="cached prefixes (default: %(default)s)")
    for name in UNAVAILABLE:
        add(name, help=argparse.SUPPRESS)
    return parser


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    # Intermixed: the kind of `serve` stands before or after its options.
    given = parser.parse_intermixed_args(arguments)
    rejected = [name for name in UNAVAILABLE if getattr(given, name[2:].replace("-", "_")) is not None]
    if "--image" in rejected and getattr(given, "input", None) is None:
        parser.error("argument --image: requires --input")
    if rejected:
        parser.error(f"not available in the reference server: {', '.join(rejected)}")
    return given


def _with_model(given: argparse.Namespace, function: Callable[[ModelOptions], None]) -> None:
    """Check the model options, then run; failures become exit codes."""
    logs.set_verbosity(given.verbose)
    # Loading happens in the engine, where Python would not notice a signal.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    values = {name: value for name, value in vars(given).items() if name in ModelOptions.__slots__}
    model = ModelOptions(**{**values, "isq": given.isq or given.quant})
    try:
        if given.quant and given.quantized_file:
            raise LoadError("`--quant` and `--quantized-file` are mutually exclusive")
        # Before the server's and the engine's packages are imported: an error is reported at once.
        resolve_model(model)
        function(model)
    except LoadError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(EXIT_ERROR)
    except EnginePanic:
        sys.exit(EXIT_PANIC)


def _serve(arguments: Sequence[str]) -> None:
    parser = _model_parser("serve")
    add = parser.add_argument
    add("kind", nargs="?", choices=KINDS, default=KINDS[0], help=f"kind of model (default: {KINDS[0]})")
    add("--host", default="0.0.0.0", help="address to listen on (default: %(default)s)")
    add("-p", "--port", type=_port, default=1234, help="port (default: %(default)s)")
    add("--mcp-port", type=_port, help="port of an MCP server with the model as a tool")
    add("--no-ui", action="store_true", help="accepted; there is no web UI")
    add("--disable-access-log", action="store_true", help="no log line for each request")
    add("--disable-metrics", action="store_true", help="/metrics returns 503")
    given = _parse(parser, arguments)
    if given.kind == "embedding" and given.model_id is None:
        parser.error("the following arguments are required: -m/--model-id")

    def start(model: ModelOptions) -> None:
        from support.bundled.reference_server.options import ServerOptions
        from support.bundled.reference_server.serve import serve

        options = ServerOptions(not given.disable_metrics, not given.disable_access_log, given.log)
        serve(model, given.host, given.port, options, given.mcp_port)

    _with_model(given, start)


def _run(arguments: Sequence[str]) -> None:
    parser = _model_parser("run")
    parser.add_argument("-i", "--input", help="answer this one message, then exit")
    given = _parse(parser, arguments)

    def start(model: ModelOptions) -> None:
        from support.bundled.reference_server.interactive import run_interactive

        run_interactive(model, given.input, given.log)

    _with_model(given, start)


def _bench(arguments: Sequence[str]) -> None:
    parser = _model_parser("bench")
    for name in ("--prompt-len", "--gen-len", "--depth", "--iterations", "--warmup"):
        parser.add_argument(name, help="as in the binary")

    def reject(_: ModelOptions) -> None:
        raise LoadError("`bench` is not available in the reference server")

    _with_model(_parse(parser, arguments), reject)


def _doctor(arguments: Sequence[str]) -> None:
    parser = _new_parser("doctor", description=COMMANDS["doctor"])
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args(arguments).json
    from support.bundled.reference_server.doctor import diagnose, render

    print(render(diagnose(), as_json=as_json))


if __name__ == "__main__":
    main()

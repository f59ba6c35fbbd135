"""Exit codes, streams and messages of the command line; nothing here starts an engine."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from support.bundled.reference_server import logs
from support.bundled.reference_server.cli import main
from support.bundled.reference_server.loading import ModelOptions, ModelSource, resolve_model

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_is_the_engines(capsys: Capture, option: str) -> None:
    assert call(capsys, option) == (0, f"mistralrs-reference {version('mistralrs')}\n", "")


@pytest.mark.parametrize("subcommand", ["", "serve", "run", "bench", "doctor", "help"])
def test_help_goes_to_standard_output(capsys: Capture, subcommand: str) -> None:
    code, out, err = call(capsys, *subcommand.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: mistralrs-reference {subcommand}".rstrip())
    assert out == call(capsys, "help", *subcommand.split())[1]


def test_no_arguments_print_the_help_as_an_error(capsys: Capture) -> None:
    code, out, err = call(capsys)
    assert (code, out) == (2, "")
    assert "Commands:" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--nope", "unrecognized arguments: --nope"),
        ("frob", "invalid choice: 'frob'"),
        ("help frob", "invalid choice: 'frob'"),
        ("serve --nope", "unrecognized arguments: --nope"),
        ("serve extra", "invalid choice: 'extra'"),
        ("serve text extra", "unrecognized arguments: extra"),
        ("serve speech -m m", "invalid choice: 'speech'"),
        ("serve embedding", "the following arguments are required: -m/--model-id"),
        ("serve -p 99999", "argument -p/--port: 99999 is not a number from 0 to 65535"),
        ("serve -p x", "argument -p/--port: 'x' is not a whole number"),
        ("serve --format foo", "argument --format: invalid choice: 'foo'"),
        ("run --dtype x", "argument --dtype: invalid choice: 'x'"),
        ("run --max-seqs 0", "argument --max-seqs: 0 is not a number of 1 or more"),
        ("run --isq 4 --quant 4", "argument --quant: not allowed with argument --isq"),
        ("serve -p 1 -p 2", "argument -p/--port: given more than once"),
        ("serve -p", "argument -p/--port: expected one argument"),
        ("doctor --json=1", "argument --json: ignored explicit argument '1'"),
        ("serve --max-seq-len 9", "not available in the reference server: --max-seq-len"),
        ("serve --pa-memory-mb 1 --pa-context-len 1", "--pa-memory-mb, --pa-context-len"),
        ("run -m m --image x", "argument --image: requires --input"),
        ("run -m m --image x -i y", "not available in the reference server: --image"),
    ],
)
def test_wrong_arguments_exit_with_2(capsys: Capture, arguments: str, message: str) -> None:
    code, out, err = call(capsys, *arguments.split())
    assert (code, out) == (2, "")
    assert err.startswith("usage: mistralrs-reference")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("serve", "--model-id (-m) is required unless `-f` is provided"),
        ("serve embedding -m m -f x.gguf", "Embedding models do not support GGUF or GGML format"),
        ("serve -f nope.gguf", "Local quantized model file `nope.gguf` does not exist or is not a file"),
        ("run -m m -f x.bin", "Cannot infer model format from `--quantized-file`"),
        ("run -m m -f a.gguf;b.ggml", "mixed GGUF and GGML filenames"),
        ("run -m m -f a.gguf --format ggml", "`--format ggml` conflicts with the `--quantized-file` suffix"),
        ("run -m m -f a.gguf --format plain", "cannot be used with plain model format"),
        ("run -m m --format gguf", "GGUF format requires a model file"),
        ("run -m m -f a.gguf --quant 4", "`--quant` and `--quantized-file` are mutually exclusive"),
        ("bench", "--model-id (-m) is required unless `-f` is provided"),
        ("bench -m m --iterations 1", "`bench` is not available in the reference server"),
    ],
)
def test_what_cannot_be_loaded_is_one_error_line(capsys: Capture, arguments: str, message: str) -> None:
    code, out, err = call(capsys, *arguments.split())
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_file_alone_names_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.touch()
    assert resolve_model(ModelOptions(quantized_file=str(file))) == ModelSource(
        str(tmp_path), "gguf", ("model.gguf",)
    )


def test_doctor_reports_as_json(capsys: Capture) -> None:
    code, out, _ = call(capsys, "doctor", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["system"]["build"]["version"] == version("mistralrs")
    assert report["system"]["cpu"]["logical_cores"] > 0
    assert report["system"]["memory"]["total_bytes"] > 0
    assert [check["status"] for check in report["checks"]] == ["ok"]


def test_doctor_reports_as_text(capsys: Capture) -> None:
    code, out, _ = call(capsys, "doctor")
    assert code == 0
    for heading in ("Environment Diagnosis", "System Checks", "Summary"):
        assert heading in out.splitlines()
    assert all(f"[INFO] {name}:" in out for name in ("OS", "CPU", "RAM"))


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        (None, True),
        ("error", False),
        ("warn,mistralrs=debug", True),
        ("mistralrs_server_core=off,info", False),
    ],
)
def test_log_lines_obey_rust_log(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, setting: str | None, *, shown: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("RUST_LOG", raising=False)
    if setting is not None:
        monkeypatch.setenv("RUST_LOG", setting)
    logs.log(logs.SERVER, "Model loaded.")
    line = capsys.readouterr().out
    assert line.endswith(f"Z  INFO {logs.SERVER}: Model loaded.\n") if shown else line == ""

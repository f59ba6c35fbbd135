"""Exit codes, streams and words of the command line; nothing here starts an engine."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from support.bundled.reference_server import logs
from support.bundled.reference_server.bench import Plan
from support.bundled.reference_server.cli import main
from support.bundled.reference_server.loading import ModelOptions, ModelSource, resolve_model

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--version"], "mistralrs-reference"),
        (["-V"], "mistralrs-reference"),
        (["serve", "-V"], "mistralrs-reference-serve"),
    ],
)
def test_version_is_the_engines(capsys: Capture, arguments: list[str], name: str) -> None:
    assert call(capsys, *arguments) == (0, f"{name} {version('mistralrs')}\n", "")


@pytest.mark.parametrize("subcommand", ["", "serve", "run", "bench", "doctor"])
def test_help_goes_to_standard_output(capsys: Capture, subcommand: str) -> None:
    code, out, err = call(capsys, *subcommand.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: mistralrs-reference {subcommand}".rstrip())
    assert out == call(capsys, "help", *subcommand.split())[1]


def test_no_arguments_print_the_help_as_an_error(capsys: Capture) -> None:
    code, out, err = call(capsys)
    assert (code, out) == (2, "")
    assert "Commands:" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--nope", "unexpected argument '--nope' found"),
        ("frob", "unrecognized subcommand 'frob'"),
        ("help frob", "unrecognized subcommand 'frob'"),
        ("serve --nope", "unexpected argument '--nope' found"),
        ("serve extra", "unrecognized subcommand 'extra'"),
        ("serve text extra", "unexpected argument 'extra' found"),
        ("serve speech -m m", "'speech' is not available in the reference stack"),
        ("serve embedding", "the following required arguments were not provided:\n  --model-id <MODEL_ID>"),
        ("serve -p 99999", "invalid value '99999' for '--port <PORT>'"),
        ("serve -p x", "invalid value 'x' for '--port <PORT>'"),
        ("serve --format foo", "[possible values: plain, gguf, ggml]"),
        ("run --dtype x", "invalid value 'x' for '--dtype <DTYPE>'"),
        ("run --max-seqs 0", "invalid value '0' for '--max-seqs <MAX_SEQS>'"),
        ("run --isq 4 --quant 4", "the argument '--isq <ISQ>' cannot be used with '--quant <QUANT>'"),
        ("serve -p 1 -p 2", "the argument '--port <PORT>' cannot be used multiple times"),
        ("serve -p", "a value is required for '--port <PORT>' but none was supplied"),
        ("doctor --json=1", "unexpected value for '--json' found"),
        ("serve --max-seq-len 9", "'--max-seq-len' is not available in the reference stack"),
        ("bench --prompt-len x -m m", "invalid value 'x' for '--prompt-len'"),
    ],
)
def test_wrong_arguments_exit_with_2(capsys: Capture, arguments: str, message: str) -> None:
    code, out, err = call(capsys, *arguments.split())
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert "For more information, try '--help'." in err


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
        ("bench -m m --iterations 0", "--iterations must be greater than 0"),
        ("bench -m m --prompt-len 0 --gen-len 1", "at least one TTFT or decode measurement"),
        ("bench -m m --depth 0", "--depth must be greater than 0"),
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


def test_bench_lengths_are_lists() -> None:
    assert Plan.parse("64,0,128", 32, "4,8", 2, 0) == Plan((64, 128), 32, (4, 8), 2, 0)


def test_doctor_reports_as_json(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    code, out, _ = call(capsys, "doctor", "--json")
    report = json.loads(out)
    states = {check["name"]: check["status"] for check in report["checks"]}
    assert code == 0
    assert report["system"]["build"]["version"] == version("mistralrs")
    assert report["system"]["cpu"]["logical_cores"] > 0
    assert set(states) == {"cpu_extensions", "hf_cache_writable", "hf_connectivity", "disk_space"}
    assert (states["hf_cache_writable"], states["hf_connectivity"]) == ("ok", "error")


def test_doctor_reports_as_text(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    code, out, _ = call(capsys, "doctor")
    assert code == 0
    for heading in ("Environment Diagnosis", "Mistral.rs Installation", "System Checks", "Summary"):
        assert heading in out.splitlines()
    assert "[ERROR] ❌ Hugging Face cache is not writable" in out
    assert "❌ 2 error(s) found" in out


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
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, setting: str | None, shown: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("RUST_LOG", raising=False)
    if setting is not None:
        monkeypatch.setenv("RUST_LOG", setting)
    logs.log(logs.SERVER, "Model loaded.")
    line = capsys.readouterr().out
    assert line.endswith(f"Z  INFO {logs.SERVER}: Model loaded.\n") if shown else line == ""

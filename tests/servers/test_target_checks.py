"""How what a program or a server did is judged: each check passes on good and fails, with words, on bad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.errors import ProgramUnavailable, TargetError
from support.models.files import ModelFiles
from support.models.store import ModelStore
from support.programs import install
from support.programs.child_environment import INHERITED_VARIABLES, child_environment
from support.programs.launcher import LaunchedProgram
from support.programs.mistralrs import MISTRALRS
from support.programs.process import CommandTimeout, CompletedCommand
from support.servers import cli_checks
from support.servers.command_line import CommandLine, LegacyCommandLine, ModelArguments
from support.servers.discovery import CommandTarget
from support.servers.launch_checks import (
    check_error_mentions,
    check_failed,
    check_log_reports_loaded,
    check_memory,
    check_ready,
)
from support.servers.mistralrs import LaunchResult, StartFailure
from tests.servers.stand_in_programs import Programs

TARGET = CommandTarget(Path("/bin/mistralrs"), "mistralrs", "0.8.1", "a test")
GOOD = CompletedCommand(("mistralrs", "--version"), 0, "mistralrs 0.8.1\n", "", 0.01)
DIAGNOSIS = (
    '{"system": {"cpu": {"logical_cores": 2}, "memory": {"total_bytes": 1}},'
    ' "checks": [{"name": "cpu", "message": "fine", "status": "ok"}]}'
)


def fails(check: Callable[[], object], words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check()
    assert words in str(caught.value)


# -- commands


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exit_code": 1}, "expected exit code 0"),
        ({"exit_code": 101}, "crashed"),
        ({"exit_code": -11}, "crashed"),
        (
            {"stderr": "thread 'main' panicked at src/main.rs:1:2:\nno such layer"},
            "crashed: panicked at src/main.rs:1:2: no such",
        ),
        ({"stdout": "Traceback (most recent call last):"}, "crashed"),
        ({"seconds": 2.5}, "expected the program to exit within 2 s, it took 2.50 s\n"),
    ],
)
def test_a_command_ends_as_expected_or_is_described(change: dict[str, object], words: str) -> None:
    cli_checks.check_ended(GOOD, 0, 2)
    fails(lambda: cli_checks.check_ended(replace(GOOD, **change), 0, 2), words)  # type: ignore[arg-type]
    fails(lambda: cli_checks.check_ended(replace(GOOD, **change), 0, 2), "$ mistralrs --version")  # type: ignore[arg-type]


def test_text_stands_on_one_stream_only() -> None:
    cli_checks.check_only_on(GOOD, "standard output")
    cli_checks.check_only_on(replace(GOOD, stdout=" \n", stderr="error"), "standard error")
    fails(lambda: cli_checks.check_only_on(GOOD, "standard error"), "expected text on the standard error")
    both = replace(GOOD, stderr="error")
    fails(lambda: cli_checks.check_only_on(both, "standard output"), "standard output only")
    fails(lambda: cli_checks.check_only_on(both, "standard error"), "standard error only")


def test_words_are_looked_for_on_both_streams_whatever_their_case() -> None:
    cli_checks.check_mentions(replace(GOOD, stderr="Unexpected ARGUMENT"), "unexpected argument")
    cli_checks.check_mentions(GOOD, "MISTRALRS")
    fails(lambda: cli_checks.check_mentions(GOOD, "--frobnicate"), "expected the words '--frobnicate'")


@pytest.mark.parametrize("text", ["mistralrs 0.8.1\n", "mistralrs 0.9.0-rc.1\n"])
def test_a_version_line_is_accepted(text: str) -> None:
    cli_checks.check_version(replace(GOOD, stdout=text), TARGET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mistralrs 0.8\n",
        "mistralrs 0.8.1",
        "mistralrs 0.8.1\nmore\n",
        "mistralrs-server 0.8.1\n",
        "\nmistralrs 0.8.1\n",
    ],
)
def test_another_version_line_is_refused(text: str) -> None:
    fails(
        lambda: cli_checks.check_version(replace(GOOD, stdout=text), TARGET),
        f"expected one line `mistralrs X.Y.Z` on standard output, got {text!r}",
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"system"', '"machine"', "no object `system`"),
        ('"logical_cores": 2', '"logical_cores": 0', "no processor in the diagnosis"),
        ('"total_bytes": 1', '"total": 1', "no memory in the diagnosis"),
        ('"checks": [{', '"checks": [], "x": [{', "no list `checks`"),
        ('"fine"', '""', "a check without name or message"),
        ('"ok"', '"meh"', "unknown status of a check"),
        ('"ok"', "NaN", "expected JSON"),
    ],
)
def test_a_diagnosis_is_complete_or_refused(old: str, new: str, words: str) -> None:
    cli_checks.check_diagnosis(replace(GOOD, stdout=DIAGNOSIS), TARGET)
    assert old in DIAGNOSIS
    fails(
        lambda: cli_checks.check_diagnosis(replace(GOOD, stdout=DIAGNOSIS.replace(old, new)), TARGET), words
    )


def test_a_program_file_is_regular_and_executable(programs: Programs) -> None:
    path = programs.printing("mistralrs 0.8.1")
    cli_checks.check_file(path)
    fails(lambda: cli_checks.check_file(path.parent), "is not a regular file")
    path.chmod(0o644)
    fails(lambda: cli_checks.check_file(path), "is not executable (-rw-r--r--)")


def test_a_call_runs_in_its_folder_and_is_bounded(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = programs.folder / "home"
    folder.mkdir()
    target = replace(TARGET, path=programs.shell('pwd; echo "$HOME $*"'))
    outcome = cli_checks.call(target, ["serve", "--help"], folder, programs.settings())
    assert outcome.stdout == f"{folder}\n{folder} serve --help\n"
    monkeypatch.setattr(cli_checks, "CALL_SECONDS", 0.2)
    target = replace(TARGET, path=programs.shell("exec /bin/sleep 60"))
    with pytest.raises(CommandTimeout):
        cli_checks.call(target, [], folder, programs.settings())


def test_a_command_line_begins_with_the_program(tmp_path: Path) -> None:
    models = ModelStore(tmp_path)
    assert cli_checks.arguments_of("mistralrs", models) == ()
    assert cli_checks.arguments_of("mistralrs serve --port 'a b'", models) == ("serve", "--port", "a b")
    with pytest.raises(ValueError, match="expected a command line of mistralrs"):
        cli_checks.arguments_of("serve --port 1", models)


def test_a_command_line_may_name_the_scripted_model(tmp_path: Path, model: ModelFiles) -> None:
    models = ModelStore(tmp_path)
    models.scripted = lambda: model  # type: ignore[method-assign,assignment,misc]
    options = ("-m", str(model.directory), "--format", "gguf", "-f", model.file)
    assert cli_checks.arguments_of("mistralrs bench MODEL -v", models) == ("bench", *options, "-v")


def test_a_command_line_with_a_command_list_runs_once_for_each_listed_command(programs: Programs) -> None:
    listing = "Commands:\n  serve  Serve\n  run    Run\n\nOptions:\n"
    target = replace(TARGET, path=programs.shell(f"printf '{listing}'; echo Usage: $*"))
    runs = cli_checks.ProgramRuns(programs.folder)
    runs.run(target, ("help", cli_checks.EACH_COMMAND), programs.settings())
    called = [completed.command[1:] for completed in runs.completed.all()]
    assert called == [("--help",), ("help", "serve"), ("help", "run")]
    runs.require_contains("usage")
    runs.require_exit(0, 20)
    fails(lambda: runs.require_contains("usage: help run"), "expected the words 'usage: help run'")
    fails(lambda: runs.require_exit(2, 20), "expected exit code 2")


def test_a_child_gets_no_token_proxy_or_home_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "http_proxy", "RUST_BACKTRACE", "MY_SECRET"):
        monkeypatch.setenv(name, "s3cret")
    child = child_environment(tmp_path, rust_log="info", MORE="1", NO_COLOR="0")
    assert "s3cret" not in child.values()
    assert (child["HOME"], child["RUST_LOG"], child["MORE"], child["NO_COLOR"]) == (
        str(tmp_path),
        "info",
        "1",
        "0",
    )
    assert child["HF_HUB_OFFLINE"] == "1"
    assert set(child) - set(INHERITED_VARIABLES) == set(child_environment(tmp_path)) - set(
        INHERITED_VARIABLES
    ) | {
        "RUST_LOG",
        "MORE",
    }


# -- starts


def attempted(
    log: str = "Error: no such file\n", exit_code: int | None = 1, seconds: float = 0.5
) -> LaunchResult:
    return LaunchResult(None, StartFailure("not ready", exit_code=exit_code, log=log), seconds)


class FakeServer(LaunchedProgram):
    def __init__(self, log: str, resident: int = 0) -> None:
        self._log, self._resident = log, resident

    @property
    def log(self) -> str:
        return self._log

    def resident_memory(self) -> int:
        return self._resident


LOADED, LISTENING = "INFO Model loaded.\n", "INFO OpenAI-compatible server listening on http://127.0.0.1:1\n"


def test_ready_means_ready_in_time() -> None:
    ready = LaunchResult(FakeServer(""), None, 1.0)
    check_ready(ready, 1.0)
    fails(lambda: check_ready(replace(ready, seconds=1.5), 1.0), "expected ready within 1.0 s, took 1.50 s")
    fails(lambda: check_ready(attempted(), 1.0), "not ready")


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (LISTENING, "does not report a loaded model"),
        (LOADED, "does not report that the server listens"),
        (LISTENING + LOADED, "listened before"),
    ],
)
def test_the_log_tells_first_of_the_model_then_of_the_port(log: str, words: str) -> None:
    check_log_reports_loaded(FakeServer(LOADED + LISTENING))
    fails(lambda: check_log_reports_loaded(FakeServer(log)), words)


def test_memory_stays_below_its_limit() -> None:
    check_memory(FakeServer("", 999), 1000)
    fails(
        lambda: check_memory(FakeServer("", 2_000_000), 1_000_000), "less than 1 MB of memory, it uses 2 MB"
    )


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (LaunchResult(FakeServer(""), None, 1.0), "the server is ready"),
        (attempted(exit_code=101), "got 101"),
        (attempted(exit_code=None), "got None"),
        (attempted(exit_code=-9, seconds=60), "expected exit code 1, got -9 after 60.0 s.\n"),
        (attempted(log="thread 'main' panicked at x\n"), "got a crash"),
        (attempted(seconds=11), "within 10 s, took 11.0 s"),
    ],
)
def test_a_refusal_is_clean_and_quick(attempt: LaunchResult, words: str) -> None:
    check_failed(attempted(), 1, 10)
    fails(lambda: check_failed(attempt, 1, 10), words)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "found 0"),
        ("Error: one\nError: two\n", "found 2"),
        ("path model.gguf\nError: bad luck\n", "expected one of ['model.gguf', 'magic']"),
    ],
)
def test_a_refusal_names_the_problem_in_its_error_line(log: str, words: str) -> None:
    check_error_mentions(attempted("INFO starting\nError: invalid GGUF Magic\n"), ["model.gguf", "magic"])
    check_error_mentions(attempted("Error: failed\n  caused by: model.gguf\n"), ["model.gguf", "magic"])
    fails(lambda: check_error_mentions(attempted(log), ["model.gguf", "magic"]), words)


# -- dialects

FOLDER = Path("/m")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (ModelArguments(FOLDER, "a.gguf", "gguf"), "-m /m --format gguf -f a.gguf"),
        (ModelArguments(FOLDER, "a.ggml", "ggml"), "-m /m --format ggml -f a.ggml"),
        (ModelArguments(FOLDER, None, "safetensors"), "-m /m --format plain"),
    ],
)
def test_the_command_line_of_today_names_the_format(model: ModelArguments, words: str) -> None:
    line = CommandLine()
    assert (
        " ".join(line.serve(model, 7, 3, verbose=False))
        == f"serve --host 127.0.0.1 --port 7 --max-seqs 3 {words}"
    )
    assert (
        " ".join(line.serve(model, 7, 3, verbose=True))
        == f"serve --host 127.0.0.1 --port 7 --max-seqs 3 -v {words}"
    )
    assert " ".join(line.ask_once(model, "Hi")) == f"run {words} -i Hi"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (ModelArguments(FOLDER, "a.gguf", "gguf"), "gguf -m /m -f a.gguf"),
        (ModelArguments(FOLDER, "a.ggml", "ggml"), "ggml -m /m -f a.ggml -t /m"),
        (ModelArguments(FOLDER, None, "safetensors"), "plain -m /m"),
    ],
)
def test_the_legacy_server_takes_the_format_as_a_subcommand(model: ModelArguments, words: str) -> None:
    said = " ".join(LegacyCommandLine().serve(model, 7, 3, verbose=True))
    assert said == f"--port 7 --serve-ip 127.0.0.1 --max-seqs 3 {words}"
    with pytest.raises(TargetError, match="cannot answer a single question"):
        LegacyCommandLine().ask_once(model, "Hi")


# -- the installed program


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ("echo mistralrs 0.8.1", "0.8.1"),
        ("true", "unknown"),
        ("exec /bin/sleep 60", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_cached_program_says_its_version_or_it_is_unknown(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, body: str | None, version: str
) -> None:
    monkeypatch.setattr(install, "VERSION_SECONDS", 0.3 if "sleep" in str(body) else 10)
    cache = programs.folder / "cache"
    assert MISTRALRS.find(cache) is None
    path = programs.shell(body or "", "cache/mistralrs/bin/mistralrs")
    if body is None:
        path.write_bytes(b"\x7fELF garbage")
    found = MISTRALRS.find(cache)
    assert found is not None
    assert (found.path, found.version, found.origin) == (path, version, "cache")


def test_missing_tools_are_all_named_at_once(programs: Programs) -> None:
    said: list[str] = []
    with pytest.raises(ProgramUnavailable, match=r"cargo, cmake, c\+\+ not found; install Rust"):
        MISTRALRS.get(programs.folder / "cache", said.append)
    assert said == []


def fake_tools(programs: Programs, cargo: str) -> None:
    programs.shell(f'if [ "$1" = --version ]; then echo "cargo 1.90.0"; exit; fi\n{cargo}', "path/cargo")
    for tool in ("cmake", "c++"):
        programs.shell("", f"path/{tool}")


def test_an_old_rust_is_refused_before_anything_is_built(programs: Programs) -> None:
    fake_tools(programs, "exit 9")
    programs.shell("echo cargo 1.75.0", "path/cargo")
    with pytest.raises(ProgramUnavailable, match=r"needs Rust 1\.88 or newer, found 'cargo 1\.75\.0'"):
        MISTRALRS.get(programs.folder / "cache", lambda _words: None)


def test_a_failed_build_names_its_first_error_and_the_log(programs: Programs) -> None:
    fake_tools(programs, "echo compiling; echo 'error: no space left'; echo 'error: more'; exit 101")
    with pytest.raises(
        ProgramUnavailable, match=r"cargo install failed: error: no space left; full log: .*install.log"
    ):
        MISTRALRS.get(programs.folder / "cache", lambda _words: None)


def test_a_build_is_done_once(programs: Programs) -> None:
    made = programs.printing("mistralrs 0.8.1", "made")
    fake_tools(programs, f'/bin/mkdir -p "$5/bin" && /bin/cp {made} "$5/bin/mistralrs"')
    said: list[str] = []
    cache = programs.folder / "cache"
    assert MISTRALRS.get(cache, said.append).version == "0.8.1"
    assert MISTRALRS.get(cache, said.append).version == "0.8.1"
    assert len(said) == 1
    assert "cargo install mistralrs-cli --locked" in said[0]

"""Every script of docs/findings/: 1 while its defect is there, 0 if it is not, 2 if it cannot be decided."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.findings.behaviours import BEHAVIOURS
from tests.findings.corrected import CORRECTED, chat, corrected
from tests.findings.fake_server import Answer, Request, Response, as_json, fake_server, recorded
from tests.findings.programs import PROGRAMS
from tests.python_programs import first_lines
from tests.timeouts import PATIENCE

FOLDER = Path(__file__).parents[2] / "docs/findings"
SCRIPTS = sorted(file for file in FOLDER.glob("*.py") if not file.name.startswith("_"))
NAMES = [script.stem for script in SCRIPTS]
OVER_HTTP = sorted([*CORRECTED, *BEHAVIOURS])
LINE = re.compile(r"sent: .+ \| received: .+ \| expected: .+")
# Enough of a GGUF file for the scripts that change one: its architecture and its context length.
GGUF = b"GGUF..general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama..llama.context_length"
LINUX_ONLY = {"delayed_events"}


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    file = tmp_path / "model.gguf"
    file.write_bytes(GGUF)
    return file


def loaded(name: str) -> ModuleType:
    sys.path.insert(0, str(FOLDER))
    try:
        found = importlib.util.spec_from_file_location(f"finding_{name}", FOLDER / f"{name}.py")
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def exit_code(
    name: str, words: list[str], monkeypatch: pytest.MonkeyPatch, constants: dict[str, float]
) -> int:
    """Of a script, run with these words as its command line."""
    module = loaded(name)
    for constant, value in constants.items():
        monkeypatch.setattr(module, constant, value)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
    options = next(
        [ast.literal_eval(word) for word in call.args[2:]]
        for call in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "run"
    )
    with pytest.raises(SystemExit) as ended:
        module.run(module.check, module.__doc__, *options)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def over_http(name: str, answer: Answer, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    constants = (
        BEHAVIOURS[name].constants
        if name in BEHAVIOURS
        else {"ENDS_WITHIN": 0.2}
        if name == "responses_api"
        else {}
    )
    process = ["--pid", str(os.getpid())] if name == "prefix_cache_memory" else []
    with fake_server(answer) as url:
        return exit_code(name, ["--url", url, *process, *words], monkeypatch, constants)


def program(folder: Path, text: str) -> str:
    file = folder / "mistralrs"
    file.write_text(first_lines("-S") + text, encoding="utf-8")
    file.chmod(0o755)
    return str(file)


def with_program(name: str, text: str, model: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    words = ["--program", program(model.parent, text), "--file", str(model)]
    words += ["--starts", "1"] if name == "start_panics" else []
    return exit_code(name, words, monkeypatch, PROGRAMS[name].constants)


def test_every_script_is_tested() -> None:
    assert sorted([*OVER_HTTP, *PROGRAMS]) == NAMES


def skip_elsewhere(name: str) -> None:
    if name in LINUX_ONLY and sys.platform != "linux":
        pytest.skip("needs Linux")


def require_defect(code: int, output: str) -> None:
    """The exit code, and a line for each wrong response."""
    lines = output.splitlines()
    assert code == 1, lines
    assert all(LINE.fullmatch(line) for line in lines), lines


@pytest.mark.parametrize("name", OVER_HTTP)
def test_a_server_with_the_defect_is_recognised(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    skip_elsewhere(name)
    answer = BEHAVIOURS[name].server(defect=True) if name in BEHAVIOURS else recorded(name)
    code = over_http(name, answer, monkeypatch)
    require_defect(code, capsys.readouterr().out)


@pytest.mark.parametrize("name", OVER_HTTP)
def test_a_server_without_the_defect_is_recognised(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    skip_elsewhere(name)
    answer = BEHAVIOURS[name].server(defect=False) if name in BEHAVIOURS else corrected(name)
    code = over_http(name, answer, monkeypatch)
    assert (code, capsys.readouterr().out) == (0, "the defect is not there\n")


@pytest.mark.skipif(os.name == "nt", reason="a program of a test is a POSIX script")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_with_the_defect_is_recognised(
    name: str, model_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = with_program(name, PROGRAMS[name].defective, model_file, monkeypatch)
    require_defect(code, capsys.readouterr().out)


@pytest.mark.skipif(os.name == "nt", reason="a program of a test is a POSIX script")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_without_the_defect_is_recognised(
    name: str, model_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = with_program(name, PROGRAMS[name].correct, model_file, monkeypatch)
    assert (code, capsys.readouterr().out) == (0, "the defect is not there\n")


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_reached_is_not_decided(
    name: str, model_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    skip_elsewhere(name)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    words = ["--url", f"http://127.0.0.1:{port}", *(["--pid", "1"] if "pid" in source(name) else [])]
    if name in PROGRAMS:
        words = ["--program", str(model_file.parent / "nowhere"), "--file", str(model_file)]
    code = exit_code(name, words, monkeypatch, {})
    shown = capsys.readouterr()
    assert (code, shown.out, len(shown.err.splitlines())) == (2, "", 1), shown


@pytest.mark.parametrize("name", NAMES)
def test_wrong_usage_is_not_decided(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code(name, ["--nowhere"], monkeypatch, {}) == 2


@pytest.mark.parametrize("name", NAMES)
def test_help_is_the_text_of_an_issue(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(name, ["--help"], monkeypatch, {}) == 0
    text = capsys.readouterr().out
    assert re.search(r"^\S.*\(.*\d+\.\d+\.\d+.*\)$", text, re.MULTILINE), "no title with a version"
    assert [part for part in ("Steps:", "Expected", "Received") if part not in text] == []


def source(name: str) -> str:
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*NAMES, "_client"])
def test_a_script_needs_nothing_but_python(name: str) -> None:
    tree = ast.walk(ast.parse(source(name)))
    modules = {
        alias.name.split(".")[0]
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert modules - sys.stdlib_module_names <= {"_client"}


def test_a_script_runs_by_itself() -> None:
    words = [sys.executable, "-S", str(FOLDER / "mixed_answers.py"), "--url", "http://127.0.0.1:1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cannot decide: http://127.0.0.1:1 cannot be reached")


def missing_route(_request: object) -> Response:
    return Response(404)


@pytest.mark.parametrize("name", ["mixed_answers", "embeddings", "responses_api", "unload", "ollama_errors"])
def test_a_missing_route_is_not_decided(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert over_http(name, missing_route, monkeypatch) == 2


def foreign_key(request: Request) -> Response:
    return Response(200 if request.method == "GET" else 401)


@pytest.mark.parametrize("name", OVER_HTTP)
def test_a_server_that_rejects_all_is_never_without_the_defect(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_elsewhere(name)
    assert over_http(name, foreign_key, monkeypatch) != 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "http://127.0.0.1:99999", "http://[::1", "host"])
def test_a_wrong_address_is_one_line(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("mixed_answers", ["--url", url], monkeypatch, {}) == 2
    assert capsys.readouterr().err == f"cannot decide: --url {url}: give one such as http://127.0.0.1:1234\n"


@pytest.mark.parametrize("name", ["stop_sequences", "logit_bias", "tool_calls"])
def test_another_model_is_not_decided(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert over_http(name, lambda _request: chat("Hello!"), monkeypatch) == 2


@pytest.mark.parametrize("text", ["Blue.", "[1]", ""])
def test_a_text_that_is_no_json_object_is_the_defect(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> Response:
        return chat(text) if request.fields else as_json({})

    assert over_http("json_object", answer, monkeypatch) == 1


@pytest.mark.parametrize("name", ["content_parts", "logprobs", "json_object", "cached_prompts"])
def test_a_model_that_the_server_does_not_have_is_not_decided(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: Request) -> Response:
        if request.path == "/v1/models":
            return as_json({"object": "list", "data": [{"id": "default"}, {"id": "real"}]})
        return Response(200) if request.method == "GET" else as_json({"message": "no such model"}, 404)

    assert over_http(name, answer, monkeypatch, "--model", "absent") == 2
    assert "has no model absent; it has default, real" in capsys.readouterr().err

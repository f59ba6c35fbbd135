"""cecli is started by its own Python with its connections recorded, and led to the server under test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from support.aider import cecli, fork_server
from support.aider.server import ConnectedServer
from support.chat.client import OLLAMA_CHAT, OPENAI_CHAT, ChatEndpoint, ChatProtocol
from support.http.recording_proxy import RecordingProxy
from support.programs.install import InstalledProgram
from tests.timeouts import PATIENCE

URL = "http://127.0.0.1:4000"
MAIN = """
import asyncio, sys
async def connect():
    try:
        await asyncio.open_connection("127.0.0.1", 1)
    except OSError:
        pass
def main(arguments):
    asyncio.run(connect())
    print(sys.argv, sys.stdin.read())
    return len(arguments)
"""


def server(model: str, protocol: ChatProtocol) -> ConnectedServer:
    proxy = cast(RecordingProxy, SimpleNamespace(url=URL))
    return ConnectedServer(ChatEndpoint("", "", model, protocol), proxy, None, "key")


def test_it_is_run_by_the_python_of_its_environment() -> None:
    program = InstalledProgram("cecli", Path("/cache/bin/cecli"), "1.10.0", "cache")
    command = [str(word) for word in cecli.command(program, ["--exit"])]
    assert command == ["/cache/bin/python", "-I", fork_server.__file__, "start", "cecli.main", "--exit"]


def test_over_openai_it_has_a_provider_that_its_tables_do_not_know() -> None:
    model, variables = cecli.connection(server("default", OPENAI_CHAT))
    provider = json.loads(variables["CECLI_MODEL_PROVIDERS"])["mistralrs"]
    assert model == "mistralrs/default"
    assert provider["api_base"] == f"{URL}/v1"
    assert {name: variables[name] for name in (*provider["base_url_env"], *provider["api_key_env"])} == {
        "MISTRALRS_API_BASE": f"{URL}/v1",
        "MISTRALRS_API_KEY": "key",
    }


def test_over_ollama_it_has_a_variable() -> None:
    variables = {"OLLAMA_API_BASE": URL, "OLLAMA_API_KEY": "key"}
    assert cecli.connection(server("scripted", OLLAMA_CHAT)) == ("ollama/scripted", variables)


@pytest.mark.parametrize("arguments", [[], ["--one", "two words"]])
def test_a_start_records_connections_and_is_else_the_command_line(
    tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "main.py").write_text(MAIN)
    record = tmp_path / "connections"
    done = subprocess.run(
        [sys.executable, fork_server.__file__, "start", "package.main", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), fork_server.CONNECTIONS: str(record)},
        input="typed",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (len(arguments), "")
    assert done.stdout == f"{['package', *arguments]} typed\n"
    assert "127.0.0.1 1" in record.read_text().splitlines()

"""A real Ollama as a server: started for the run, given the suite's models, ended with all its runners.

Source of the requests: Ollama's docs/api.md (blobs, create, delete).
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.errors import AcceptanceError
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange
from support.http.ndjson import parse_lines
from support.programs.child_environment import child_environment
from support.programs.process import ManagedProcess
from support.programs.process_group import ProcessGroupReaper
from support.programs.program import InstalledProgram
from support.servers.mistralrs import LOG_TAIL_LINES, PORT_TRIES, StartFailure, free_port
from support.settings import Settings
from support.waiting import WaitTimeout, wait_until

READY_SECONDS = 30.0
ASK_SECONDS = 2.0
RUNNING = b"Ollama is running"
PORT_TAKEN = "address already in use"
# One template that has everything a model may be able to: tools, thoughts, and text in the middle. Ollama
# tells what a model can from its template (server/images.go), and the marks around calls and thoughts.
TOOLS_TEMPLATE = Path(__file__).with_name("ollama_template.txt")


class ModelNotCreated(AcceptanceError):
    """The server did not take a model; the message has its words."""


class OllamaServer:
    """A running `ollama serve` with its log, its own home and its own models."""

    def __init__(self, process: ManagedProcess, url: str, folder: Path) -> None:
        self.process = process
        self.url = url
        self.folder = folder
        # Its runners are processes of its own, in its group.
        self._process_group = ProcessGroupReaper(process.pid)

    @property
    def log(self) -> str:
        """Everything it wrote so far, its runners included."""
        return _log(self.folder).read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.alive

    def stop(self) -> int:
        """End the tree and remove its folder; the exit code. May be called twice."""
        code = self.process.stop()
        self._process_group.release()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


def environment_of(folder: Path, url: str) -> Mapping[str, str]:
    """What it gets: none of the user's OLLAMA_* settings, no way to the network, models of its own."""
    return child_environment(
        folder,
        OLLAMA_HOST=url.removeprefix("http://"),
        OLLAMA_MODELS=str(folder / "models"),
        # Its defaults depend on the machine's memory: every machine is asked the same.
        OLLAMA_CONTEXT_LENGTH="4096",
        OLLAMA_NO_CLOUD="1",
        OLLAMA_NOPRUNE="1",
    )


def start_ollama(program: InstalledProgram, settings: Settings) -> OllamaServer:
    """Start it on a free port of the loopback interface; raises `StartFailure`, nothing is left then."""
    for _ in range(PORT_TRIES - 1):
        try:
            return _start_once(program, settings)
        except StartFailure as failure:
            if PORT_TAKEN not in failure.log:
                raise
    return _start_once(program, settings)


def _start_once(program: InstalledProgram, settings: Settings) -> OllamaServer:
    folder = Path(tempfile.mkdtemp(prefix="acceptance-ollama-"))
    url = f"http://127.0.0.1:{free_port()}"
    process: ManagedProcess | None = None
    try:
        process = ManagedProcess(
            [program.path, "serve"], stdout=_log(folder), env=environment_of(folder, url), cwd=folder
        )
        running = process
        with contextlib.closing(ApiClient(url, timeout=ASK_SECONDS)) as client:
            wait_until(
                f"ollama {program.version} ready to answer",
                lambda: _is_up(client),
                timeout=settings.seconds(READY_SECONDS),
                alive=lambda: running.alive,
            )
        return OllamaServer(process, url, folder)
    except BaseException as error:
        code = process.stop() if process is not None else None
        log = _log(folder)
        text = log.read_text(errors="replace") if log.exists() else ""
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, WaitTimeout):
            tail = "\n".join(text.splitlines()[-LOG_TAIL_LINES:]) or "(it wrote nothing)"
            message = f"{error} (exit code {code}). Last lines of its log:\n{tail}"
            raise StartFailure(message, exit_code=code, log=text) from None
        raise


def _log(folder: Path) -> Path:
    return folder / "server.log"


def _is_up(client: ApiClient) -> bool:
    try:
        return client.get("/").body == RUNNING
    except RequestFailed:
        return False


def create_model(client: ApiClient, name: str, file: Path, *, template: str | None = None) -> None:
    """Make a model of a GGUF file; raises `ModelNotMade`, also where the server knows no such request.

    Without a template Ollama recognises the one in the file, for the suite's models "chatml".
    """
    digest = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    blob = f"/api/blobs/{digest}"
    if client.send("HEAD", blob).status != 200:
        sent = client.send("POST", blob, body=file.read_bytes())
        if sent.status not in (200, 201):
            raise ModelNotCreated(f"{_response_summary(sent)}; the file was not taken")
    # More threads than free cores wait for each other longer than a small model computes.
    request = {"model": name, "files": {file.name: digest}, "parameters": {"num_thread": 1}}
    made = client.post("/api/create", request | ({"template": template} if template else {}))
    last = parse_lines(made.body)[-1].value if made.status == 200 and made.body else None
    if last != {"status": "success"}:
        raise ModelNotCreated(f"{_response_summary(made)}; the model {name} was not made")


def delete_models(client: ApiClient, names: Sequence[str]) -> None:
    """Remove models again; one that is gone already is no error."""
    for name in names:
        body = f'{{"model": "{name}"}}'.encode()
        client.send("DELETE", "/api/delete", body=body, headers={"Content-Type": "application/json"})


def _response_summary(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.url} answered {exchange.status} {exchange.text[:200]!r}"

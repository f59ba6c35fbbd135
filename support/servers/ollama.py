"""A real Ollama as a process of the run, with the models of the suite.

Source of the requests: Ollama's docs/api.md (blobs, create, delete).
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.errors import AcceptanceError
from support.http.client import ApiClient
from support.http.exchange import Exchange, strict_json
from support.http.framing import split_lines
from support.models.gguf_details import with_name
from support.programs.child_environment import child_environment
from support.programs.install import InstalledProgram
from support.programs.launcher import LaunchedProgram, LaunchFailure, http_ready, launch, launch_on_free_port
from support.programs.process import ProcessGroupReaper
from support.programs.starts import STARTS
from support.servers.mistralrs import StartFailure
from support.settings import Settings

READY_SECONDS = 30.0
RUNNING = b"Ollama is running"
PORT_TAKEN = "address already in use"
# A template with tools, thinking and fill-in-the-middle. Ollama takes the capabilities of a model from its
# template (server/images.go), and the tags around calls and thinking.
TOOLS_TEMPLATE = Path(__file__).with_name("ollama_template.txt")


# Not found, method not allowed, not implemented, and forbidden: what a server without this route answers.
NO_ROUTE = (403, 404, 405, 501)


class ModelNotCreated(AcceptanceError):
    """The server rejected a model; the message has its response. `takes_none`: it has no such route."""

    def __init__(self, message: str, exchange: Exchange) -> None:
        super().__init__(f"{_response_summary(exchange)}; {message}")
        self.takes_none = exchange.status in NO_ROUTE


class OllamaServer(LaunchedProgram):
    """A running `ollama serve` with its log, its own home and its own models."""

    def __init__(self, program: LaunchedProgram) -> None:
        super().__init__(program.process, program.folder, program.log_file, program.url)
        # Its runners are processes of its own, in its group.
        self._process_group = ProcessGroupReaper(program.process.pid)

    def stop(self) -> int:
        """End the process tree and remove the folder; the exit code. May be called twice."""
        code = super().stop()
        self._process_group.release()
        return code


def start_ollama(program: InstalledProgram, settings: Settings) -> OllamaServer:
    """Start it on a free port of the loopback interface; raises `StartFailure`, nothing is left then."""

    def start(port: int) -> OllamaServer:
        url = f"http://127.0.0.1:{port}"

        def environment(folder: Path) -> Mapping[str, str]:
            """No OLLAMA_* settings of the user, no network, its own models."""
            return child_environment(
                folder,
                OLLAMA_HOST=url.removeprefix("http://"),
                OLLAMA_MODELS=str(folder / "models"),
                # Its default depends on the memory of the machine.
                OLLAMA_CONTEXT_LENGTH="4096",
                OLLAMA_NO_CLOUD="1",
                OLLAMA_NOPRUNE="1",
            )

        launched = launch(
            f"ollama {program.version}",
            [program.path, "serve"],
            environment=environment,
            ready=http_ready(url, "/", lambda exchange: exchange.body == RUNNING),
            timeout=settings.seconds(READY_SECONDS),
            url=url,
        )
        return OllamaServer(launched)

    try:
        return launch_on_free_port(start, PORT_TAKEN)
    except LaunchFailure as failure:
        raise StartFailure(
            str(failure), exit_code=failure.exit_code, log=failure.log, cause=failure.cause
        ) from None


def create_model(
    client: ApiClient, name: str, file: Path, *, template: str | None = None, own_file: bool = False
) -> None:
    """Create a model from a GGUF file; raises `ModelNotCreated`, also when the server lacks the route.

    Without a template Ollama recognises the one in the file, for the suite's models "chatml". `own_file`:
    of a copy that is used for nothing else. Ollama runs models of one file once, lists only the name that
    was used first, and unloads all of them together.
    """
    content = file.read_bytes()
    if own_file:
        content = with_name(content, hashlib.sha256(name.encode()).hexdigest())
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob = f"/api/blobs/{digest}"
    if client.send("HEAD", blob).status != 200:
        sent = client.send("POST", blob, body=content)
        if sent.status not in (200, 201):
            raise ModelNotCreated("the file was not accepted", sent)
    # More threads than free cores wait for each other longer than a small model computes.
    request = {"model": name, "files": {file.name: digest}, "parameters": {"num_thread": 1}}
    made = client.post("/api/create", request | ({"template": template} if template else {}))
    last = strict_json(split_lines(made.body)[-1], made.url) if made.status == 200 and made.body else None
    if last != {"status": "success"}:
        raise ModelNotCreated(f"the model {name} was not created", made)
    url, quiet = client.base_url, ["curl", "-sSf", "-o", "/dev/null"]
    # Whoever repeats a request is alone, so the file itself will do.
    original = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    body = made.request_body.decode().replace(digest, original)
    STARTS.add_setup(
        url,
        shlex.join([*quiet, "-T", str(file), "-X", "POST", f"{url}/api/blobs/{original}"]),
        shlex.join([*quiet, "-d", body, made.url]),
    )


def delete_models(client: ApiClient, names: Iterable[str]) -> None:
    """Delete models; a missing one is no error."""
    for name in names:
        body = f'{{"model": "{name}"}}'.encode()
        client.send("DELETE", "/api/delete", body=body, headers={"Content-Type": "application/json"})


def _response_summary(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.url} answered {exchange.status} {exchange.text[:200]!r}"

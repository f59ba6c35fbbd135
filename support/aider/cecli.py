"""cecli, Aider's successor: how it is started, and what it has to be given where Aider needs nothing.

https://pypi.org/project/cecli-dev/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.aider import fork_server
from support.aider.server import ConnectedServer
from support.programs.aider import python_of
from support.programs.install import InstalledProgram

NAME = "cecli"
# It imports three times as much as Aider, in each run.
RUN_SECONDS = 120.0
# A provider of OpenAI's API that its tables do not know: of an unknown model `openai/NAME` it takes what the
# one with the most similar name has, and sends `default` to /v1/responses (docs/aider.md).
PROVIDER = "mistralrs"
FLAGS = (
    *("--no-check-update", "--no-show-release-notes", "--no-show-model-warnings", "--no-detect-urls"),
    *("--no-suggest-shell-commands", "--no-gitignore", "--no-pretty", "--no-fancy-input", "--no-tui"),
    # Its package does not bring the linter that it runs, and the message about that is taken for an error.
    "--no-auto-lint",
)


def command(program: InstalledProgram, arguments: Sequence[str]) -> list[str | Path]:
    """What runs cecli with these arguments, and records its connections."""
    return [python_of(program.path), "-I", fork_server.__file__, "start", "cecli.main", *arguments]


def connection(server: ConnectedServer) -> tuple[str, Mapping[str, str]]:
    """The model by its name for cecli, and the variables with the address of the proxy."""
    model, url, key = server.endpoint.model, server.proxy.url, server.key
    if server.serves_ollama:
        # Over `ollama_chat/` its requests ignore OLLAMA_API_BASE; both are the same API.
        return f"ollama/{model}", {"OLLAMA_API_BASE": url, "OLLAMA_API_KEY": key}
    address, secret = f"{PROVIDER.upper()}_API_BASE", f"{PROVIDER.upper()}_API_KEY"
    provider = {"api_base": f"{url}/v1", "base_url_env": [address], "api_key_env": [secret]}
    providers = json.dumps({PROVIDER: provider})
    variables = {"CECLI_MODEL_PROVIDERS": providers, address: f"{url}/v1", secret: key}
    return f"{PROVIDER}/{model}", variables

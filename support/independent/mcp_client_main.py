"""The client that the conformance suite of the Model Context Protocol starts: `PLAN.json URL`.

mistral.rs with the suite's server as its tools: it is started, asked the question that the plan has for the
scenario, if any, and ended. The exit code is 0 when it became ready and answered.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from support.http.client import ApiClient
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget
from support.servers.mistralrs import start_server
from support.settings import Settings

# The name of the suite's server, with which the names of its tools begin.
SERVER = "conformance"
# The variable in which the suite names its scenario.
SCENARIO = "MCP_CONFORMANCE_SCENARIO"
TOOL_SECONDS = 10
ANSWER_SECONDS = 30.0


def main(plan_file: str, url: str) -> int:
    """Starts the server of the plan (`path`, `program`, `version`, `model`, `questions`) and ends it."""
    plan = json.loads(Path(plan_file).read_bytes())
    question = plan["questions"].get(os.environ.get(SCENARIO, ""), "")
    target = CommandTarget(Path(plan["path"]), plan["program"], plan["version"], "named by the suite")
    directory, file, form = plan["model"]
    entry = {"id": SERVER, "name": SERVER, "tool_prefix": SERVER, "source": {"type": "Http", "url": url}}
    options = {"auto_register_tools": True, "tool_timeout_secs": TOOL_SECONDS}
    with tempfile.TemporaryDirectory(prefix="acceptance-mcp-client-") as name:
        configuration = Path(name, "mcp.json")
        configuration.write_text(json.dumps({"servers": [entry], **options}))
        server = start_server(
            target,
            ModelArguments(Path(directory), file, form),
            Settings(),
            options=("--mcp-config", str(configuration)),
        )
        try:
            return 0 if not question or _answers(server.url, question) else 1
        finally:
            print(server.log[-4000:], file=sys.stderr)
            server.stop()


def _answers(url: str, question: str) -> bool:
    request = {"model": "default", "messages": [{"role": "user", "content": question}], "max_tokens": 200}
    with contextlib.closing(ApiClient(url, timeout=ANSWER_SECONDS)) as client:
        answer = client.post("/v1/chat/completions", request)
        print(answer.text, file=sys.stderr)
        return answer.status == 200


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

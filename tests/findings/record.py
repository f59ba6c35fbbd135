"""Record what a real server answers to the requests of a script: `recorded/NAME.json`, which the tests play.

python -m tests.findings.record "mistralrs 0.8.1" http://127.0.0.1:1234 logprobs single_model ...
"""

from __future__ import annotations

import datetime
import http.client
import json
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import Any

from tests.findings.fake_server import KEPT_HEADERS, RECORDED, Request, Response, fake_server, key

SCRIPTS = Path(__file__).parents[2] / "docs/findings"
SHOWN = 300
# Of the connection to the proxy.
OWN_HEADERS = ("host", "content-length", "accept-encoding", "connection")


def record(server: str, url: str, name: str) -> int:
    """Run the script against a proxy in front of the server; returns its exit code."""
    host = urllib.parse.urlsplit(url).netloc
    exchanges: list[dict[str, Any]] = []
    lock = threading.Lock()

    def forward(request: Request) -> Response:
        connection = http.client.HTTPConnection(host, timeout=300)
        passed = {one: value for one, value in request.headers.items() if one not in OWN_HEADERS}
        connection.request(request.method, request.path, request.body or None, passed)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        headers = {one: value for one in KEPT_HEADERS if (value := response.getheader(one))}
        with lock:
            exchanges.append(
                {
                    "key": key(request),
                    "sent": request.body.decode("utf-8", "replace")[:SHOWN],
                    "status": response.status,
                    "headers": headers,
                    "received": body.decode("utf-8", "replace"),
                }
            )
        return Response(response.status, body, headers)

    with fake_server(forward) as proxy:
        code = subprocess.run(
            [
                sys.executable,
                SCRIPTS / f"{name}.py",
                "--url",
                proxy,
            ],
            check=False,
        ).returncode
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    document = {"server": server, "recorded": today, "exit_code": code, "exchanges": exchanges}
    RECORDED.mkdir(exist_ok=True)
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (RECORDED / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    for script in sys.argv[3:]:
        print(script, record(sys.argv[1], sys.argv[2], script))

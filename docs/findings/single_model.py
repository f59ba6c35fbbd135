"""There is no route for a single model (0.8.1, 0.9.2)

Steps: take a name from `GET /v1/models` and request `GET /v1/models/NAME`.

Expected: the model. OpenAI API reference, Retrieve model. Official clients have
`client.models.retrieve(NAME)`.

Received: status 404.
"""

from __future__ import annotations

import urllib.parse
from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Row, Server, find, run, wrong_rows


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options)
    listed = server.send("GET", "/v1/models")
    name = find(listed.json, "data.0.id")
    if not isinstance(name, str):
        raise CannotDecide(f"GET /v1/models lists no model: {listed}")
    path = f"/v1/models/{urllib.parse.quote(name, safe='')}"
    yield from wrong_rows(
        server,
        [Row("GET", path, b"", f"200 and the id {name}", lambda answer: find(answer.json, "id") == name)],
    )


if __name__ == "__main__":
    run(check, __doc__, "url")

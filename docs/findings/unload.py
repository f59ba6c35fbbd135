"""After an unload the name `default` is answered with 500, permanently (0.8.1, 0.9.2)

Steps: `POST /v1/models/unload` with the id of the model, then a chat with the model `default`, and a
completion with the model's id.

Expected: 200: a model that was unloaded is loaded again by the next request, as it is for its own id in a
chat in the same version. Guide "Serve multiple models from one process": `default` selects the default
model.

Received: 500 `EnginePoisoned` (0.9.2: `engine state lock is poisoned`) for `default`, permanently. In 0.8.1
`/v1/completions` is lost too, under the model's own name as well.

The server has to be started again afterwards.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Row, Server, find, run, wrong_rows


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/v1/models/unload")
    names = [str(model.get("id")) for model in find(server.send("GET", "/v1/models").json, "data") or []]
    own = next((name for name in names if name != "default"), "default")
    unloaded = server.post("/v1/models/unload", {"model_id": own})
    if not unloaded.served:
        raise CannotDecide(f"the model {own} was not unloaded: {unloaded}")
    chat = {"messages": [{"role": "user", "content": "Tell me about the comet"}], "max_tokens": 4}
    requests = (
        ("/v1/chat/completions", chat | {"model": own}),
        ("/v1/chat/completions", chat | {"model": "default"}),
        ("/v1/completions", {"model": own, "prompt": "x", "max_tokens": 4}),
    )
    yield from wrong_rows(
        server, [Row("POST", path, body, "200", lambda answer: answer.served) for path, body in requests]
    )


if __name__ == "__main__":
    run(check, __doc__, "url")

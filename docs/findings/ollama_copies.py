"""Ollama: of two models of one file `/api/ps` lists the first; unloading one unloads both (0.17.4)

Steps: copy a model (`/api/copy`), load both with `/api/generate`, and request `/api/ps`. The copy is
deleted at the end.

Expected: both are listed: api.md, List Running Models: "List models that are currently loaded into memory."
Each answers under its own name.

Received: the name that was used first. `"keep_alive": 0` for the other one unloads both.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Server, find, run

COPY = "finding-copy"


def check(options: Namespace) -> Iterator[Defect]:
    server = Server(options, "/api/copy")
    copied = server.post("/api/copy", {"source": server.model, "destination": COPY})
    if not copied.served:
        raise CannotDecide(f"{server.model} cannot be copied: {copied}")
    try:
        for name in (server.model, COPY):
            if not (loaded := server.post("/api/generate", {"model": name, "stream": False})).served:
                raise CannotDecide(f"{name} cannot be loaded: {loaded}")
        listed = [
            str(model.get("name")) for model in find(server.send("GET", "/api/ps").json, "models") or []
        ]
    finally:
        server.send("DELETE", "/api/delete", {"model": COPY})
    names = {name.removesuffix(":latest") for name in listed}
    if not {server.model.removesuffix(":latest"), COPY} <= names:
        yield Defect(
            f"GET /api/ps after {server.model} and its copy {COPY} were loaded", f"{listed}", "both names"
        )


if __name__ == "__main__":
    run(check, __doc__, "url", "model")

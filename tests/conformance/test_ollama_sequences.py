"""Walks: what goes wrong in one is told, and a comparison notices every difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ollama
import pytest

from support.conformance.case_table import cases_of
from support.conformance.missing_routes import MissingRoutes
from support.conformance.sequences.ollama import (
    SEQUENCES,
    OllamaClient,
    run_ollama_sequence,
    same_answer,
    sequence,
)
from support.errors import NotSupported
from support.http.exchange import Exchange
from support.servers.bundled_gateway import UnsupportedRoutes

TITLES = ("a good request is served", "a template of the request is used", "an unknown option is ignored")


COPYING = "a copy answers as the model does until it is removed"
LEAVING = "a model that is told to go leaves, and comes back when asked"


class Refusing:
    """A client to whom every request is answered in the same way."""

    base_url = "http://127.0.0.1:1"

    def __init__(self, status: int, body: bytes) -> None:
        self._answer = status, body

    def send(self, method: str, path: str, *, body: bytes = b"") -> Exchange:
        status, said = self._answer
        return Exchange(method, self.base_url + path, {}, body, status, {}, said, 0.01)


class Toy:
    """An asker whose answer to a question is given."""

    def __init__(self, **view: Any) -> None:
        usage = {"prompt_eval_count": 5, "eval_count": 2}
        self.view = {"text": "Yes.", "finish_reason": "stop", "usage": usage, **view}

    def chat(self, question: str) -> dict[str, Any]:
        return self.view


def test_a_walk_to_its_end_is_kept() -> None:
    run_ollama_sequence(lambda asker: None, Toy()).require_passed()  # type: ignore[arg-type]


def test_what_goes_wrong_is_raised_when_it_is_looked_at() -> None:
    def wrong(asker: Any) -> None:
        raise AssertionError("the copy is still listed")

    walked = run_ollama_sequence(wrong, Toy())  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="still listed"):
        walked.require_passed()


def test_a_refusal_of_the_official_client_is_the_products_fault() -> None:
    def refused(asker: Any) -> None:
        raise ollama.ResponseError("no such model", 404)

    with pytest.raises(AssertionError, match="404 no such model"):
        run_ollama_sequence(refused, Toy()).require_passed()  # type: ignore[arg-type]


def test_a_mistake_of_the_harness_is_not_taken_for_the_products() -> None:
    with pytest.raises(ZeroDivisionError):
        run_ollama_sequence(lambda asker: 1 / 0, Toy())  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "other",
    [
        {"text": "No."},
        {"finish_reason": "length"},
        {"usage": {"prompt_eval_count": 6, "eval_count": 2}},
        {"usage": {"prompt_eval_count": 5, "eval_count": 3}},
    ],
    ids=repr,
)
def test_a_comparison_notices_every_difference(other: dict[str, Any]) -> None:
    real: Any = Toy()
    ours: Any = Toy(**other)
    run_ollama_sequence(same_answer("x", real), real).require_passed()
    with pytest.raises(AssertionError, match=next(iter(other))):
        run_ollama_sequence(same_answer("x", real), ours).require_passed()


def test_a_title_is_given_once() -> None:
    title = next(iter(SEQUENCES))
    with pytest.raises(AssertionError, match="two walks"):
        sequence(title)(lambda asker: None)


def test_what_a_server_honestly_declines_is_left_out() -> None:
    def declining(declines: Any, what: str = "copying a model") -> OllamaClient:
        refusal = json.dumps({"error": f"{what} is not supported by this gateway"}).encode()
        return OllamaClient(Refusing(501, refusal), "tiny", Path("model.gguf"), declines)  # type: ignore[arg-type]

    copying, leaving = (SEQUENCES[title].steps for title in (COPYING, LEAVING))
    with pytest.raises(NotSupported, match="copying a model"):
        run_ollama_sequence(copying, declining(UnsupportedRoutes(unloads=True).reason))
    with pytest.raises(NotSupported, match="unloading a model"):
        run_ollama_sequence(leaving, declining(UnsupportedRoutes(unloads=False).reason, "unloading a model"))
    for walk_of, asker in (
        (copying, declining(None)),
        (copying, declining(UnsupportedRoutes(unloads=True).reason, "anything at all")),
        (leaving, declining(UnsupportedRoutes(unloads=True).reason, "unloading a model")),
    ):
        with pytest.raises(AssertionError, match="expected 200"):
            run_ollama_sequence(walk_of, asker).require_passed()


def test_a_wish_that_is_refused_makes_no_missing_route() -> None:
    routes = MissingRoutes()
    good, wish, other = (cases_of("ollama")[title] for title in TITLES)
    routes.mark_served("gateway", good)
    routes.mark_missing("gateway", wish)
    assert routes.reason_for_case("gateway", other) is None
    routes.mark_missing("elsewhere", wish)
    assert "has no POST /api/generate" in str(routes.reason_for_case("elsewhere", other))

"""A client of the Responses and Messages APIs that checks the contract of every response."""

from __future__ import annotations

from support.conformance.api import Api, NormalizedAnswer
from support.conformance.registry import APIS
from support.conformance.response_checker import check_contract
from support.conformance.response_parser import ParsedResponse
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.servers.endpoint import Endpoint
from support.units import JsonMapping, JsonObject
from support.waiting import wait_until

# A response of some tokens takes milliseconds; on a busy machine some seconds.
DONE_SECONDS = 30.0
UNFINISHED = ("queued", "in_progress")


class CheckedClient:
    """A client of one server in one of its APIs, that checks each answer's contract."""

    def __init__(self, client: ApiClient, server: Endpoint) -> None:
        self.client = client
        self._api: Api = APIS[server.api]
        self._model = server.variables["model"]

    def call(
        self,
        contract: str,
        path: str,
        document: JsonMapping | None = None,
        *,
        method: str = "POST",
        status: int = 200,
    ) -> ParsedResponse:
        """Send a request and check status and contract ("" for none); raises `ConformanceError`."""
        send, post = self.client.send, self.client.post
        exchange = send(method, path) if document is None else post(path, document)
        return self.check(exchange, contract, status)

    def check(self, exchange: Exchange, contract: str, status: int = 200) -> ParsedResponse:
        """An answer that keeps the contract; raises `ConformanceError`."""
        return check_contract(exchange, self._api, contract, status=status)

    def create(self, question: str, **fields: object) -> JsonMapping:
        """A response to a question, as it came."""
        request = self.request(question, **fields)
        answer: JsonMapping = self.call("response", "/v1/responses", request).values[0]
        return answer

    def output_text(self, question: str, **fields: object) -> str:
        """What a response to a question says."""
        return text_of(self.create(question, **fields))

    def get(self, response_id: str, status: int = 200) -> JsonMapping:
        """A response asked for by its id; nothing when that is to be refused."""
        contract = "response" if status == 200 else ""
        found = self.call(contract, f"/v1/responses/{response_id}", method="GET", status=status)
        return found.values[0] if contract else {}

    def wait_until_done(self, response_id: str) -> JsonMapping:
        """A response in the background as soon as it is neither queued nor in progress."""
        states: list[str] = []

        def state() -> JsonMapping | None:
            response = self.get(response_id)
            states.append(response["status"])
            return None if states[-1] in UNFINISHED else response

        response = wait_until(
            f"the end of the response {response_id}", state, timeout=DONE_SECONDS, seen=lambda: states[-1]
        )
        assert states == sorted(states, key=_status_order), f"its states went back: {states}"
        return response

    def request(self, question: str, **fields: object) -> JsonObject:
        """A request of the Responses API."""
        return {"model": self._model, "input": question, "max_output_tokens": 50, "temperature": 0, **fields}

    def message(self, question: str, **fields: object) -> JsonObject:
        """A request of the Messages API."""
        messages = [{"role": "user", "content": question}]
        return {"model": self._model, "messages": messages, "max_tokens": 50, "temperature": 0, **fields}

    def normalize(self, parsed: ParsedResponse) -> NormalizedAnswer:
        """The answer in words that do not depend on how it came."""
        return self._api.normalize(parsed)


def text_of(response: JsonMapping) -> str:
    """The text of a whole response."""
    return "".join(part["text"] for item in response["output"] for part in item.get("content") or ())


def _status_order(status: str) -> int:
    return (*UNFINISHED, status).index(status)

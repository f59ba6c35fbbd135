"""A client of one server that checks status and contract of every response: what the sequences use."""

from __future__ import annotations

import json
from collections.abc import Mapping

from support.conformance.api import NormalizedAnswer, find_api
from support.conformance.response_parser import ParsedResponse, stream_kind
from support.errors import NotSupported
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.servers.endpoint import Endpoint
from support.units import JsonMapping


class CheckedClient:
    """Requests to one server in one of its APIs. `model`: the name of the model there."""

    def __init__(self, client: ApiClient, server: Endpoint) -> None:
        self.client = client
        self.server = server
        self.model = server.variables["model"]
        self._api = find_api(server.api)

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
        if document is None:
            exchange = self.send(method, path)
        else:
            body = json.dumps(document, ensure_ascii=False).encode()
            exchange = self.send(method, path, body, {"Content-Type": "application/json"})
        return self._api.check_contract(exchange, contract, status=status, stream=stream_kind(path))

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """Send anything; raises `NotSupported` when the response reports a feature that the server lacks."""
        exchange = self.client.send(method, path, body=body, headers=headers)
        unsupported_reason = self.server.unsupported_reason
        reason = unsupported_reason(exchange) if unsupported_reason else None
        if reason is not None:
            raise NotSupported(reason)
        return exchange

    def check(self, exchange: Exchange, contract: str) -> ParsedResponse:
        """A response with status 200 that fulfils the contract; raises `ConformanceError`."""
        return self._api.check_contract(exchange, contract)

    def normalize(self, parsed: ParsedResponse) -> NormalizedAnswer:
        """The answer in a form that does not depend on how it was sent."""
        return self._api.normalize(parsed)

"""One chat over several endpoints, and the model lists of a server, in one scenario."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from support.chat import checks, model_lists
from support.chat.client import Answer, ChatEndpoint, ChatRequest, Message, chat_request
from support.chat.model_lists import ListedModels
from support.chat.scenario_servers import ScenarioServers
from support.errors import CheckFailed
from support.http.exchange import Exchange, NotJson
from support.results.must_check import MustCheck
from support.results.scenario_result import ScenarioResult
from support.servers.dedicated import DIRECT, GATEWAY, REAL
from support.units import JsonMapping

# A trained model is slow on two cores, and only its prompt is compared.
TRAINED_LIMIT = 2


# The servers in the words of the features, and those whose endpoints are compared.
ENDPOINTS = {("every endpoint",): (DIRECT, GATEWAY, REAL), (DIRECT, GATEWAY): (DIRECT, GATEWAY)}


@dataclass(frozen=True)
class ComparedAnswers:
    """The answers of several endpoints to one request, non-streamed and streamed.

    `rejections`: the responses where all endpoints reject the system message alike, and so none answers.
    """

    chat_request: ChatRequest
    whole: tuple[Answer, ...]
    streamed: tuple[Answer, ...]
    rejections: tuple[Exchange, ...] = ()

    def require_answered(self) -> None:
        """Raises AssertionError where the system message was rejected."""
        if self.rejections:
            raise CheckFailed(f"the system message is rejected\n{self.rejections[0].describe()}")

    def require_same_answers(self) -> None:
        """Every endpoint gave the same text and finish reason."""
        if not self.rejections:
            checks.check_same_text(self.whole)
            checks.check_equal(self.whole, lambda answer: answer.finish_reason, "the finish reasons")

    def require_same_counts(self) -> None:
        """Every endpoint counted the same tokens, above zero."""
        if self.rejections:
            return
        checks.check_equal(self.whole, lambda answer: answer.counts, "the token counts (prompt, answer)")
        if not all(self.whole[0].counts):
            raise CheckFailed(f"nothing was counted: {self.whole[0]}")

    def require_same_streams(self) -> None:
        """Each stream has the text, the finish reason and the token counts of the non-streamed answer."""
        for pair in zip(self.whole, self.streamed, strict=True):
            checks.check_equal(
                pair,
                lambda answer: (answer.text, answer.finish_reason, answer.counts),
                f"stream and non-streamed answer of {pair[0].endpoint}",
            )


def rejected_alike(
    endpoints: Sequence[ChatEndpoint], request: ChatRequest, without: ChatRequest, timeout: float
) -> tuple[Exchange, ...]:
    """The responses of endpoints that reject the system message of a request, as some chat templates do.

    Raises AssertionError unless all reject it with the status and the message of the first endpoint, streamed
    and non-streamed, and answer the same request `without` the system message.
    """
    for endpoint in endpoints:
        endpoint.ask(without, timeout=timeout)
    responses = [
        (endpoint, stream, endpoint.send(request, stream=stream, timeout=timeout))
        for endpoint in endpoints
        for stream in (False, True)
    ]
    first = responses[0][2]
    message = error_message(first)
    if not message:
        raise CheckFailed(f"{endpoints[0].name}: an error without a message\n{first.describe()}")
    for endpoint, stream, response in responses:
        # A stream has begun before the template is rendered: it may have status 200.
        same_status = response.status == first.status or (stream and response.status == 200)
        if not (same_status and message in response.text):
            raise CheckFailed(
                f"{endpoint.name}: expected status {first.status} and {message!r}, of {endpoints[0].name}"
                f"\n{response.describe()}"
            )
    return tuple(response for _, _, response in responses)


def error_message(exchange: Exchange) -> str:
    """The message of an error of any API as it stands in the JSON; empty when there is none."""
    try:
        document = exchange.json()
    except NotJson:
        return ""
    for name in ("error", "message"):
        document = document.get(name, document) if isinstance(document, dict) else document
    return json.dumps(document, ensure_ascii=False)[1:-1] if isinstance(document, str) else ""


class ParityScenario(ScenarioResult):
    """Fresh for each scenario."""

    kind = "comparison of endpoints"

    def __init__(self, servers: ScenarioServers) -> None:
        context = servers.context
        self.endpoints = servers.endpoints
        self.trained_answers: tuple[Answer, ...] = ()
        self.answers: MustCheck[ComparedAnswers] = context.must_check("answers of the endpoints")
        self.listed_models: MustCheck[ListedModels] = context.must_check("model lists")
        self.name_answers: MustCheck[list[str]] = context.must_check("answers of every model name")
        self._suite = servers.suite
        self._servers = servers
        context.add_exchanges(self._exchanges)

    def _exchanges(self) -> list[Exchange]:
        compared = self.answers.all()
        answers = chain.from_iterable((*one.whole, *one.streamed) for one in compared)
        rejections = chain.from_iterable(one.rejections for one in compared)
        return [*(answer.exchange for answer in answers), *rejections]

    @property
    def available(self) -> bool:
        return self.answers.available or self.name_answers.available or bool(self.trained_answers)

    # -- one chat over several endpoints

    def ask(
        self, servers: Sequence[str], messages: Sequence[Message], question: str, options: JsonMapping
    ) -> None:
        """Ask `every endpoint`, `mistral.rs and the gateway`, or a trained model in both engines.

        `every endpoint`: also those of a real Ollama. Each is asked non-streamed and streamed.
        """
        if tuple(servers) == (DIRECT, REAL):
            self._ask_trained(messages, question)
            return
        compared = ENDPOINTS[tuple(servers)]
        self.endpoints.require_same_model(compared)
        endpoints = [*map(self.endpoints.openai, compared)]
        endpoints += [endpoint for server in compared[1:] for endpoint in self.endpoints.native(server)]
        request, timeout = chat_request(messages, question, **options), self._servers.answer_timeout
        plain = [message for message in messages if message["role"] != "system"]
        if plain != list(messages) and endpoints[0].send(request, timeout=timeout).status >= 400:
            without = chat_request(plain, question, **options)
            rejections = rejected_alike(endpoints, request, without, timeout)
            self.answers.set(ComparedAnswers(request, (), (), rejections))
            return
        whole, streamed = (
            tuple(endpoint.ask(request, stream=stream, timeout=timeout) for endpoint in endpoints)
            for stream in (False, True)
        )
        self.answers.set(ComparedAnswers(request, whole, streamed))

    def require_scripted(self) -> None:
        if self.name_answers.available:
            model_lists.require_all_answered(self.name_answers.get())
            return
        answers = self.answers.get()
        answers.require_answered()
        for answer in answers.whole:
            checks.check_text(answer, self._scripted_answer(answers.chat_request))

    def require_equal(self) -> None:
        self.answers.get().require_same_answers()

    def require_equal_counts(self) -> None:
        self.answers.get().require_same_counts()

    def require_finish_reason(self, reason: str) -> None:
        answers = self.answers.get()
        answers.require_answered()
        checks.check_finish((*answers.whole, *answers.streamed), reason)

    # -- a trained model

    def _ask_trained(self, messages: Sequence[Message], question: str) -> None:
        """Ask SmolLM2 in both engines."""
        request = chat_request(messages, question, limit=TRAINED_LIMIT)
        timeout = self._suite.settings.seconds(2 * self._servers.answer_timeout)
        self.trained_answers = tuple(
            endpoint.ask(request, timeout=timeout) for endpoint in self._servers.trained_endpoints()
        )

    def prompt_tokens(self, asked: str) -> tuple[int, str]:
        answer = dict(zip((DIRECT, REAL), self.trained_answers, strict=True))[asked]
        return answer.prompt_tokens or 0, answer.exchange.describe()

    # -- models

    def read_lists(self, servers: Sequence[str]) -> None:
        """Read both lists of a server, or those of mistral.rs and its gateway.

        The latter have different names for the same models.
        """
        if len(servers) > 1:
            self.endpoints.require_same_model((DIRECT, GATEWAY))
        clients = [self._servers.client(self.endpoints.endpoint(server)) for server in servers]
        titles = servers if len(servers) > 1 else ("OpenAI API", "Ollama API")
        openai, ollama = model_lists.openai_names(clients[0]), model_lists.ollama_names(clients[-1])
        names = dict(zip(titles, (openai, ollama), strict=True))
        self.listed_models.set(ListedModels(names))

    def unload(self, server: str) -> None:
        """Load the model with a request, and unload it through mistral.rs or the gateway."""
        gateway = self._servers.dedicated_endpoint(GATEWAY)
        target = self._servers.client(self._servers.dedicated_target)
        gateway.ask(model_lists.QUESTION, timeout=self._servers.answer_timeout)
        if server == GATEWAY:
            model_lists.unload_through_gateway(gateway)
        else:
            model_lists.manage(target, "unload")

    def require_none_loaded(self, server: str) -> None:
        """The list of this server shows no loaded model."""
        client = self._servers.client(self._servers.dedicated_endpoint(server))
        (model_lists.require_none_loaded if server == GATEWAY else model_lists.require_unloaded)(client)

    def unload_and_reload(self) -> None:
        """Unload and reload the model, when each of its names has answered."""
        client = self._servers.client(self._servers.dedicated_target)
        expected = self._scripted_answer(model_lists.QUESTION)
        model_lists.require_all_answered(model_lists.ask_every_name(client, model_lists.QUESTION, expected))
        model_lists.manage(client, "unload")
        model_lists.manage(client, "reload")

    def ask_every_name(self, question: str) -> None:
        """Ask each model name of the dedicated server."""
        client = self._servers.client(self._servers.dedicated_target)
        request = chat_request((), question)
        self.name_answers.set(model_lists.ask_every_name(client, request, self._scripted_answer(request)))

    def _scripted_answer(self, request: ChatRequest) -> str:
        return self._suite.script.answer_to_messages(request.messages)

"""One chat over several endpoints, and the model lists of a server, in one scenario."""

from __future__ import annotations

from collections.abc import Sequence

from support.chat import model_lists
from support.chat.client import Answer, ChatEndpoint, ChatRequest, Message
from support.chat.model_lists import ListedModels, NameAnswers
from support.chat.parity import ComparedAnswers, ask_all
from support.chat.requests import chat_request, expected_answer
from support.chat.scenario_servers import ScenarioServers
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.results.must_check import MustCheck
from support.results.scenario_result import ScenarioResult
from support.servers.dedicated import DIRECT, GATEWAY, REAL
from support.units import JsonMapping

# A trained model is slow on two cores, and only its prompt is compared.
TRAINED_LIMIT = 2


class ParityScenario(ScenarioResult):
    """Fresh for each scenario."""

    kind = "comparison of endpoints"

    def __init__(self, servers: ScenarioServers) -> None:
        context = servers.context
        self.endpoints = servers.endpoints
        self.trained_answers: tuple[Answer, ...] = ()
        self.answers: MustCheck[ComparedAnswers] = context.must_check("answers of the endpoints")
        self.listed_models: MustCheck[ListedModels] = context.must_check("model lists")
        self.name_answers: MustCheck[NameAnswers] = context.must_check("answers of every model name")
        self._suite = servers.suite
        self._servers = servers
        context.add_exchanges(self._exchanges)

    def _exchanges(self) -> list[Exchange]:
        answers = [one for compared in self.answers.all() for one in (*compared.whole, *compared.streamed)]
        return [answer.exchange for answer in answers]

    @property
    def available(self) -> bool:
        return self.answers.available or self.name_answers.available or bool(self.trained_answers)

    # -- one chat over several endpoints

    def ask(
        self, servers: Sequence[str], messages: Sequence[Message], question: str, options: JsonMapping
    ) -> None:
        """Ask `every endpoint`, `mistral.rs and the gateway`, or a trained model in both engines."""
        match tuple(servers):
            case ("every endpoint",):
                self.ask_every_endpoint(messages, question, options)
            case (first, second) if (first, second) == (DIRECT, GATEWAY):
                self.ask_target_and_gateway(messages, question, options)
            case (first, second) if (first, second) == (DIRECT, REAL):
                self.ask_trained(messages, question)
            case _:
                raise LookupError(f"no comparison of {', '.join(servers)}")

    def ask_every_endpoint(
        self, messages: Sequence[Message], question: str, options: JsonMapping | None = None
    ) -> None:
        """Ask mistral.rs, the gateway and a real Ollama, non-streamed and streamed."""
        self.endpoints.require_same_model((DIRECT, GATEWAY, REAL))
        endpoints = [*map(self.endpoints.openai, (DIRECT, GATEWAY, REAL))]
        endpoints += [*self.endpoints.native(GATEWAY), *self.endpoints.native(REAL)]
        self._ask(endpoints, messages, question, options)

    def ask_target_and_gateway(
        self, messages: Sequence[Message], question: str, options: JsonMapping | None = None
    ) -> None:
        """Ask mistral.rs and the gateway, with any model."""
        self.endpoints.require_same_model((DIRECT, GATEWAY))
        endpoints = [*map(self.endpoints.openai, (DIRECT, GATEWAY)), *self.endpoints.native(GATEWAY)]
        self._ask(endpoints, messages, question, options)

    def _ask(
        self,
        endpoints: Sequence[ChatEndpoint],
        messages: Sequence[Message],
        question: str,
        options: JsonMapping | None,
    ) -> None:
        request = chat_request(messages, question, **(options or {}))
        self.answers.set(ask_all(endpoints, request, self._servers.answer_timeout))

    def require_scripted(self) -> None:
        if self.name_answers.available:
            self.name_answers.get().require_all_answered()
            return
        answers = self.answers.get()
        answers.require_text(expected_answer(self._suite.script, answers.chat_request))

    def require_equal(self) -> None:
        self.answers.get().require_same_text()

    def require_equal_counts(self) -> None:
        self.answers.get().require_same_counts()

    def require_finish_reason(self, reason: str) -> None:
        self.answers.get().require_finish_reason(reason)

    # -- a trained model

    def ask_trained(self, messages: Sequence[Message], question: str) -> None:
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
        if len(servers) == 1:
            client = self._servers.client(self.endpoints.endpoint(servers[0]))
            names = {
                "OpenAI API": model_lists.openai_names(client),
                "Ollama API": model_lists.ollama_names(client),
            }
        else:
            self.endpoints.require_same_model((DIRECT, GATEWAY))
            direct, gateway = (
                self._servers.client(self.endpoints.endpoint(server)) for server in (DIRECT, GATEWAY)
            )
            names = {DIRECT: model_lists.openai_names(direct), GATEWAY: model_lists.ollama_names(gateway)}
        self.listed_models.set(ListedModels(names))

    def unload(self, server: str) -> None:
        """Load the model with a request, and unload it through mistral.rs or the gateway."""
        gateway = self._servers.dedicated_endpoint(GATEWAY)
        target = self._servers.client(self._servers.dedicated_target)
        gateway.ask(model_lists.QUESTION, timeout=self._servers.answer_timeout)
        if server == GATEWAY:
            model_lists.unload_through_gateway(gateway)
        else:
            model_lists.unload(target)

    def require_none_loaded(self, server: str) -> None:
        """The list of this server shows no loaded model."""
        client = self._servers.client(self._servers.dedicated_endpoint(server))
        (model_lists.require_none_loaded if server == GATEWAY else model_lists.require_unloaded)(client)

    def unload_and_reload(self) -> None:
        """Unload and reload the model, when each of its names has answered."""
        client = self._servers.client(self._servers.dedicated_target)
        self._ask_every_name(client, model_lists.QUESTION).require_all_answered()
        model_lists.unload(client)
        model_lists.reload(client)

    def ask_every_name(self, question: str) -> None:
        """Ask each model name of the dedicated server."""
        client = self._servers.client(self._servers.dedicated_target)
        self.name_answers.set(self._ask_every_name(client, chat_request((), question)))

    def _ask_every_name(self, client: ApiClient, request: ChatRequest) -> NameAnswers:
        expected = expected_answer(self._suite.script, request)
        return model_lists.ask_every_name(client, request, expected)

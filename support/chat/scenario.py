"""One chat over several endpoints, and the model lists of a server, in one scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from support.chat import model_lists
from support.chat.endpoint import ChatAnswer, ChatEndpoint, Message
from support.chat.model_lists import ListedModels, NameAnswers
from support.chat.parity import ComparedAnswers, ask_all
from support.chat.requests import chat_request, expected_answer
from support.chat.scenario_servers import ScenarioServers
from support.http.exchange import Exchange
from support.results.must_check import MustCheck
from support.servers.dedicated import DIRECT, GATEWAY, REAL

# A trained model is slow on two cores, and only its prompt is compared.
TRAINED_LIMIT = 2


class ParityScenario:
    """Fresh for each scenario."""

    def __init__(self, servers: ScenarioServers) -> None:
        context = servers.context
        self.endpoints = servers.endpoints
        self.trained_answers: tuple[ChatAnswer, ...] = ()
        self.answers: MustCheck[ComparedAnswers] = context.must_check("answers of the endpoints")
        self.listed_models: MustCheck[ListedModels] = context.must_check("model lists")
        self.name_answers: MustCheck[NameAnswers] = context.must_check("answers of every model name")
        self._suite = servers.suite
        self._servers = servers
        context.add_exchanges(self._exchanges)

    def _exchanges(self) -> list[Exchange]:
        answers = [one for compared in self.answers.all() for one in (*compared.whole, *compared.streamed)]
        return [answer.exchange for answer in answers]

    # -- one chat over several endpoints

    def ask_every_endpoint(
        self, messages: Sequence[Message], question: str, options: Mapping[str, Any] | None = None
    ) -> None:
        """Ask mistral.rs, the gateway and a real Ollama, non-streamed and streamed."""
        self.endpoints.require_same_model((DIRECT, GATEWAY, REAL))
        endpoints = [*map(self.endpoints.openai, (DIRECT, GATEWAY, REAL))]
        endpoints += [*self.endpoints.native(GATEWAY), *self.endpoints.native(REAL)]
        self._ask(endpoints, messages, question, options)

    def ask_target_and_gateway(
        self, messages: Sequence[Message], question: str, options: Mapping[str, Any] | None = None
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
        options: Mapping[str, Any] | None,
    ) -> None:
        request = chat_request(messages, question, **(options or {}))
        self.answers.set(ask_all(endpoints, request, self._servers.answer_timeout))

    def require_scripted(self) -> None:
        """Every answer is exactly the scripted one."""
        answers = self.answers.get()
        answers.require_text(expected_answer(self._suite.script, answers.chat_request))

    # -- a trained model

    def ask_trained(self, messages: Sequence[Message], question: str) -> None:
        """Ask SmolLM2 in both engines."""
        request = chat_request(messages, question, limit=TRAINED_LIMIT)
        timeout = self._suite.settings.seconds(2 * self._servers.answer_timeout)
        self.trained_answers = tuple(
            endpoint.ask(request, timeout=timeout) for endpoint in self._servers.trained_endpoints()
        )

    def require_prompt_tokens(self, *, same: bool) -> None:
        """Both counted the same number of prompt tokens, or mistral.rs counted more."""
        ours, theirs = (answer.prompt_tokens or 0 for answer in self.trained_answers)
        expected = "the same number of" if same else "more"
        assert ours == theirs if same else ours > theirs, (
            f"expected {expected} prompt tokens on {DIRECT}: {ours}, on {REAL}: {theirs}"
        )

    # -- models

    def read_lists(self, servers: str) -> None:
        """Read both lists of a server, or those of mistral.rs and its gateway.

        The latter have different names for the same models.
        """
        if servers != f"{DIRECT} and {GATEWAY}":
            client = self._servers.client(self.endpoints.endpoint(servers))
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
        """Unload and reload the model, then ask each of its names; all answered before."""
        client = self._servers.client(self._servers.dedicated_target)
        expected = expected_answer(self._suite.script, model_lists.QUESTION)
        model_lists.ask_every_name(client, expected).require_all_answered()
        model_lists.unload(client)
        model_lists.reload(client)
        self.name_answers.set(model_lists.ask_every_name(client, expected))

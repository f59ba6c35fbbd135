"""The one matcher of all steps and its parameter types. Imported by environment.py, before the steps."""

from __future__ import annotations

import re
from collections.abc import Iterable

from behave.cucumber_expression import (
    ParameterType,
    StepMatcher4CucumberExpressions,
    use_step_matcher_for_cucumber_expressions,
)

from support import units
from support.aider.traffic import KINDS, TRAFFIC, Traffic
from support.chat.checks import COMPARISONS
from support.chat.conversation import QUESTIONS, REQUESTS
from support.results.scenario_result import EQUAL_PARTS
from support.servers.cli_checks import OUTPUT_FORMS
from support.servers.launch_checks import LOG_EVENTS
from support.servers.launch_plans import FORMATS, TRAINED_MODELS
from support.terminal.scenario import CHAT_SETUPS, SCREEN_CONTENTS, SOURCES
from support.world import DEDICATED_SERVERS

use_step_matcher_for_cucumber_expressions()
_registry = StepMatcher4CucumberExpressions.TYPE_REGISTRY

MODELS = (
    *("the scripted model", "the tool-calling model", "the embedding model", "the known-distribution model"),
    *("the trained model SmolLM2", "any model"),
)
COMPARED = ("mistral.rs", "the gateway", "a real Ollama")
# Of comparisons of loads.
OTHERS = ("itself", "another version", "llama-cpp-python")
SERVERS = ("a server", "an Ollama API server", "every endpoint", "every listed model", *OTHERS, *COMPARED)

# The modules of these names import OpenAI's package: a run that does not need it would wait for it.
PROMPTS = ("about different topics", "with prompts of different lengths")
USER_OUTCOMES = ("the answer to their own question", "the right answer or a busy error")
MISTAKES = (
    *("an unknown model", "truncated JSON", "an empty body"),
    *("a number as the question", "a JSON string"),
)
CLIENTS = (
    *("the ollama command", "a LangChain program"),
    *("OpenAI's SDK test suite", "Anthropic's SDK test suite", "the Open Responses type suite"),
    *("Ollama's integration test suite", "the MCP conformance suite"),
)
ASSISTANTS = ("Aider", "cecli")
AIDER_PLACES = ("the project", "the home folder")
SERVER_FAILURES = (
    *("a wrong key", "an unknown model", "an invalid request", "a full context"),
    *(
        "one busy error",
        "one server error",
        "server errors only",
        "one closed connection",
        "one broken stream",
    ),
    *(
        "one malformed event",
        "one early end",
        "one stalled stream",
        "an empty answer",
        "an answer cut by length",
    ),
    *("stalled streams only", "unprocessable fields only"),
)
UNUSUAL_ANSWERS = (
    *(
        "a stream without roles",
        "a first content of null",
        "an empty first delta",
        "a usage chunk at the end",
    ),
    *("CRLF line ends", "keep-alive comments", "no space after each colon", "all text in one chunk"),
    *("a draft in its reasoning", "comments for 4 seconds", "a commit message with reasoning"),
    *("an empty commit message", "empty commit messages only", "errors for commit messages"),
    *("a commit message in quotes", "a commit message in a fence"),
)
CLIENT_ACTIONS = (
    *("disconnects during a streamed answer", "disconnects during a non-streamed answer"),
    *("disconnect while another client reads a stream", "stops reading a stream while 4 users ask"),
    "repeat the beginnings of a short and a long prompt",
)


def one_of(name: str, words: Iterable[str]) -> ParameterType:
    """A type whose values are these words."""
    return ParameterType(name, "|".join(map(re.escape, words)), str, str)


def aider_end(text: str) -> int | None:
    """The exit code; None of a run that the suite has to end."""
    return int(text.rpartition(" ")[2]) if text.startswith("exits") else None


for _type in (
    ParameterType("duration", units.DURATION, float, units.seconds),
    ParameterType("size", units.SIZE, int, units.size),
    ParameterType("texts", units.TEXTS, tuple, units.texts),
    one_of(
        "api",
        ("OpenAI", "Ollama", "Responses", "Anthropic", "metrics", "monitoring", "exporter", "Prometheus"),
    ),
    one_of("format", FORMATS),
    one_of("model", MODELS),
    one_of("trained_model", TRAINED_MODELS),
    one_of("server", COMPARED),
    one_of("assistant", ASSISTANTS),
    one_of("configured_program", (*ASSISTANTS, "mistral.rs")),
    one_of("aider_server", (*COMPARED, "the user's model")),
    ParameterType("servers", units.listed_pattern(SERVERS), tuple, units.listed),
    one_of("request", REQUESTS),
    one_of("asked", (*QUESTIONS, *COMPARED)),
    one_of("comparison", COMPARISONS),
    one_of("names", ("names", "number of models")),
    one_of("form", ("streamed", "non-streamed")),
    one_of("prompts", PROMPTS),
    one_of("user_outcome", USER_OUTCOMES),
    one_of("mistake", MISTAKES),
    one_of("client", CLIENTS),
    one_of("client_action", CLIENT_ACTIONS),
    one_of("dedicated_server", DEDICATED_SERVERS),
    one_of("chat_setup", CHAT_SETUPS),
    one_of("source", SOURCES),
    one_of("place", ("in a terminal", "without a terminal")),
    one_of("aider_request", KINDS),
    ParameterType("aider_traffic", TRAFFIC, Traffic, Traffic.written),
    ParameterType("aider_end", r"exits with code \d+|has to be ended by the suite", object, aider_end),
    one_of("aider_place", AIDER_PLACES),
    one_of("aider_start", ("is started", "works on the exercises")),
    one_of("aider_output", ("prints", "does not print")),
    one_of("aider_receipt", ("receives", "does not receive")),
    one_of("server_answer", (*SERVER_FAILURES, *UNUSUAL_ANSWERS)),
    one_of("stream", ("standard output", "standard error")),
    one_of("output_form", OUTPUT_FORMS),
    one_of("event", LOG_EVENTS),
    one_of("any_or_no", ("an", "no")),
    one_of("equal_parts", EQUAL_PARTS),
    ParameterType("screen_content", "|".join([units.QUOTED, *SCREEN_CONTENTS]), str, str),
):
    # behave executes this file once more, as it does with everything in this folder.
    if not _registry.has_registered_type(_type.name):
        _registry.define_parameter_type(_type)

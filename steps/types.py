"""The one matcher of all steps and its parameter types. Imported by environment.py, before the steps."""

from __future__ import annotations

from behave.cucumber_expression import (
    ParameterType,
    StepMatcher4CucumberExpressions,
    use_step_matcher_for_cucumber_expressions,
)

from support import units
from support.servers.launch_plans import FORMATS
from support.terminal.chat import KEYS
from support.terminal.scenario import SOURCES

use_step_matcher_for_cucumber_expressions()
_registry = StepMatcher4CucumberExpressions.TYPE_REGISTRY

for _type in (
    ParameterType("duration", units.DURATION, float, units.seconds),
    ParameterType("size", units.SIZE, int, units.size),
    ParameterType("api", "OpenAI|Ollama|Responses|Anthropic", str, str),
    ParameterType("format", "|".join(FORMATS), str, str),
    ParameterType("server", r"mistral\.rs|the gateway|a real Ollama", str, str),
    ParameterType("servers", "the gateway|a real Ollama|mistral\\.rs and the gateway", str, str),
    ParameterType("comparison", "longer than|as long as", str, str),
    ParameterType("names", "names|number of models", str, str),
    ParameterType("form", "a stream|a whole answer", str, str),
    ParameterType("key", "|".join(KEYS), str, str),
    ParameterType("source", "|".join(SOURCES), str, str),
    ParameterType("stream", "standard output|error output", str, str),
):
    # behave executes this file once more, as it does with everything in this folder.
    if not _registry.has_registered_type(_type.name):
        _registry.define_parameter_type(_type)

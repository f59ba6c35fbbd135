"""The closed list of tags; another tag is an error, in a feature and on the command line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from support.errors import SettingsError
from support.results.severity import SEVERITIES
from support.servers.capabilities import CAPABILITIES

SEVERITY = frozenset(SEVERITIES)
RUN_CLASS = frozenset({"smoke", "slow", "benchmark"})
SAFETY = frozenset({"serial"})
NEEDS = frozenset(
    {
        "needs.command",
        "needs.scripted_model",
        "needs.own_model",
        "needs.smollm2",
        "needs.second_mistralrs",
        "needs.llama_cpp_python",
        "needs.langchain",
        "needs.schemathesis",
        "needs.subcommands",
        "needs.ollama",
        "needs.ollama_api",
        "needs.scripted_gateway",
        "needs.scripted_ollama",
        "needs.own_ollama",
        "needs.ollama_command",
        "needs.model_file",
        "needs.same_model",
        "needs.pty",
        "needs.tmux",
        "needs.aider",
        "needs.aider_model",
        "needs.cecli",
        "needs.prometheus",
        "needs.prometheus_3",
        "needs.prometheus_url",
        "needs.grafana",
        "needs.mcp_conformance",
        "needs.openai_tests",
        "needs.anthropic_tests",
        "needs.openresponses_types",
        "needs.ollama_tests",
        *CAPABILITIES,
    }
)
PATTERNS = (re.compile(r"lock\.[a-z_]+"), re.compile(r"budget\.\d+s"))
TAGS = SEVERITY | RUN_CLASS | SAFETY | NEEDS

# One tag of each open family, for wildcards.
_EXAMPLES = TAGS | {"lock.name", "budget.10s"}

# Of the syntax before Cucumber's tag expressions: sign -> what it is called today.
_OLD_SIGNS = {"~": "not ", "!": "not ", "-": "not ", ",": " or ", "&&": " and ", "||": " or "}
_OLD_SIGN = re.compile(r"\s*(,|&&|\|\|)\s*|(?:(?<=[\s(,])|^)([~!-])\s*(?=@?\w)")
SYNTAX_EXAMPLES = '"smoke and not slow", "(smoke or critical) and not serial"'
_WORD = re.compile(r"@?([^\s()@,~]+)")
_OPERATORS = frozenset({"and", "or", "not"})


def is_allowed(tag: str) -> bool:
    """Whether a tag (without @) belongs to the list."""
    return tag in TAGS or any(pattern.fullmatch(tag) for pattern in PATTERNS)


def check_expression(expressions: Iterable[str]) -> None:
    """Raise `SettingsError` for a tag expression (v2) that names an unknown tag. Wildcards must match one."""
    for expression in expressions:
        current = _in_current_syntax(expression)
        for tag in _WORD.findall(current):
            if tag in _OPERATORS or is_allowed(tag):
                continue
            pattern = re.compile(re.escape(tag).replace(r"\*", ".*").replace(r"\?", "."))
            if {"*", "?"} & set(tag) and any(pattern.fullmatch(candidate) for candidate in _EXAMPLES):
                continue
            near = difflib.get_close_matches(tag, TAGS, n=1, cutoff=0.5)
            advice = f"did you mean @{near[0]}?" if near else f"known are {', '.join(sorted(TAGS))}"
            if tag.lower() in _OPERATORS:
                advice = "operators are written in small letters: and, or, not"
            raise SettingsError(f"unknown tag @{tag} (from --tags {expression!r}): {advice}")
        if current != expression:
            raise SettingsError(
                f"old tag syntax (from --tags {expression!r}): write {current!r}; other examples: "
                f"{SYNTAX_EXAMPLES}"
            )


def _in_current_syntax(expression: str) -> str:
    """`~smoke,critical` is `not smoke or critical`; an expression without old signs stays as it is."""
    return _OLD_SIGN.sub(lambda match: _OLD_SIGNS[match[1] or match[2]], expression)

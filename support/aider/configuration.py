"""The options that the suite gives Aider, and the files that describe a model to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

# Aider's prompts have up to 2300 tokens, and the files come on top.
CONTEXT = 16_384
FLAGS = (
    *("--no-check-update", "--no-show-release-notes", "--analytics-disable", "--no-show-model-warnings"),
    *("--no-detect-urls", "--no-suggest-shell-commands", "--no-gitignore", "--no-pretty", "--no-fancy-input"),
)
# Of every run that is not about the repository map, a user's confirmation or a long history: at its end Aider
# would ask for a summary of that, and leave before the answer.
USUAL_FLAGS = ("--map-tokens", "0", "--yes-always", "--max-chat-history-tokens", "100000")


def option_words(options: Iterable[Mapping[str, str]]) -> list[str]:
    """`--edit-format diff`; a `file` stands alone; a switch has no value."""
    words: list[str] = []
    for row in options:
        words += [] if row["option"] == "file" else [f"--{row['option']}"]
        words += [row["value"]] if row["value"] else []
    return words


def write_model_settings(home: Path, model: str) -> None:
    """Of each run: the edit format that needs the shortest prompt, and no repository map."""
    settings = [{"name": model, "edit_format": "whole", "reminder": None, "use_repo_map": False}]
    # YAML includes JSON.
    (home / ".aider.model.settings.yml").write_text(json.dumps(settings), encoding="utf-8")


def write_model_metadata(home: Path, model: str) -> None:
    """What Aider has to know of a model whose server does not state it."""
    limits = {
        **dict.fromkeys(("max_input_tokens", "max_tokens", "max_output_tokens"), CONTEXT),
        "litellm_provider": model.partition("/")[0],
        "mode": "chat",
    }
    (home / ".aider.model.metadata.json").write_text(json.dumps({model: limits}), encoding="utf-8")

"""What scenarios cannot run without (`@needs.*`), and what to do when it is missing."""

from __future__ import annotations

import os
from collections.abc import Iterable

from support.programs.smollm2 import has_smollm2
from support.programs.tmux import TMUX
from support.servers.capabilities import unmet_capability
from support.servers.discovery import CommandTarget, Target, UrlTarget
from support.settings import Settings

SCRIPTED_MODEL = "needs.scripted_model"


def missing_requirement(tags: Iterable[str], settings: Settings, target: Target) -> str | None:
    """The reason (with its remedy) why a scenario with these tags cannot run, or None."""
    wanted = {tag for tag in tags if tag.startswith("needs.")}
    command = isinstance(target, CommandTarget)
    if "needs.command" in wanted and not command:
        return "requires a local binary, but the target is a URL; set MISTRALRS_BIN instead of TARGET_URL"
    if SCRIPTED_MODEL in wanted and isinstance(target, UrlTarget) and target.other_model_reason:
        return target.other_model_reason
    if "needs.smollm2" in wanted and not has_smollm2(settings.acceptance_cache_dir):
        return "requires the trained model SmolLM2 (98 MB); `acceptance get smollm2` fetches it"
    if "needs.own_model" in wanted and settings.user_model is None:
        return "requires a model of your own; set TEST_MODEL_PATH (and TEST_MODEL_FILE)"
    if "needs.pty" in wanted and os.name == "nt":
        return "requires a pseudo-terminal, which pexpect does not have on Windows; run it in WSL"
    if "needs.tmux" in wanted and TMUX.find(settings.acceptance_cache_dir) is None:
        return f"requires the terminal program tmux; `{TMUX.install_hint}`"
    if (
        "needs.subcommands" in wanted
        and isinstance(target, CommandTarget)
        and target.program == "mistralrs-server"
    ):
        return "requires the command line of mistralrs 0.7 or newer, mistralrs-server has another one"
    if isinstance(target, CommandTarget):
        return unmet_capability(wanted, target.program, target.version)
    return None

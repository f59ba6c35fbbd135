"""The options of `acceptance run` as settings, tags and paths of behave's command line."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from support.errors import SettingsError
from support.settings import MODEL_FILES
from support.suite_folder import user_path

# Short names of folders of `features/`; the tags of run classes are names too.
FOLDERS = {
    "binary": "features/binary_health",
    "loading": "features/model_loading",
    "api": "features/openai_api",
    "ollama": "features/ollama_api",
    "terminal": "features/terminal_chat",
    "mcp": "features/mcp",
    "parity": "features/parity",
    "aider": "features/aider",
    "monitoring": "features/monitoring",
    "performance": "features/performance",
}
# Several of them under one name.
COMBINED_SUITES = {
    "all": ["features"],
    "integration": [FOLDERS["api"], FOLDERS["ollama"], FOLDERS["parity"]],
}
RUN_CLASS_TAGS = ("smoke", "slow", "benchmark")
SUITES = (*FOLDERS, *COMBINED_SUITES, *RUN_CLASS_TAGS)
ANY_SPEED = "slow or not slow"


def resolve_paths_and_tags(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Paths and tag expressions of these names: a suite, a run class, or a path."""
    paths, tags = [], []
    if "" in names:
        raise SettingsError(f"a suite or path is empty; give one of {', '.join(SUITES)}, or a path")
    for name in names:
        folder = FOLDERS.get(name, f"features/{name}")
        if os.path.exists(name):  # noqa: PTH110 - False for a path that cannot be read
            paths.append(name)
        elif name in RUN_CLASS_TAGS:
            tags.append(name)
        elif name in COMBINED_SUITES:
            paths += COMBINED_SUITES[name]
        else:
            paths.append(folder if Path(folder).is_dir() else name)
    return _without_repeats(paths), [" or ".join(tags)] if tags else []


def _without_repeats(paths: Sequence[str]) -> list[str]:
    """Each once, and none inside of another one: behave would run its scenarios twice.

    One that is not there is kept, so that it is an error.
    """
    found: list[str] = []
    for path in paths:
        if not any(_is_within(path, other) for other in found):
            found = [*(other for other in found if not _is_within(other, path)), path]
    return found


def _is_within(path: str, other: str) -> bool:
    """Whether all scenarios of the path are those of the other one too; both have to be there."""
    if path == other:
        return True
    (file, line), (outer, outer_line) = file_and_line(path), file_and_line(other)
    if outer_line:
        return (file, line) == (outer, outer_line)
    # Not as text: a link or `..` may lead elsewhere.
    inner, place = os.path.realpath(file), os.path.realpath(outer)
    is_there = os.path.exists(inner) and os.path.exists(place)  # noqa: PTH110 - False for what cannot be read
    return is_there and (inner == place or Path(place) in Path(inner).parents)


def file_and_line(path: str) -> tuple[str, str]:
    """The two parts of `FILE:LINE`; else no line."""
    file, _, line = path.rpartition(":")
    return (file, line) if file and line.isdigit() else (path, "")


def tag_arguments(expressions: Sequence[str], *, skip_benchmarks: bool) -> list[str]:
    """All expressions together; without any, the configured ones (not @slow)."""
    if not all(expression.strip() for expression in expressions):
        raise SettingsError("--tags is empty; give an expression, for example smoke, or leave it out")
    given = [f"({expression})" for expression in expressions] or ["({config.tags})"]
    if skip_benchmarks:
        return [f"--tags={' and '.join([*given, 'not @benchmark'])}"]
    return [f"--tags={expression}" for expression in expressions]


def name_arguments(titles: Sequence[str]) -> list[str]:
    """The scenarios whose titles match one of these; an empty one would match all."""
    if not all(title.strip() for title in titles):
        raise SettingsError("--name is empty; give a part of a title, or leave it out")
    return [f"--name={title}" for title in titles]


def case_arguments(ids: Sequence[str]) -> list[str]:
    """The scenarios that run these cases, and of their groups these cases only; raises `SettingsError`."""
    if not ids:
        return []
    if not all(name.strip() for name in ids):
        raise SettingsError("--case is empty; give the id of a case, for example openai.chat.body.empty")
    from support.runner.checks_of_scenarios import titles_of_checks

    titles = [f"--name=^{re.escape(title)}$" for title in titles_of_checks(ids)]
    chosen = setting_of_option("--case", "acceptance_cases", ",".join(ids))
    return [*(f"--define={setting}" for setting in chosen), *titles]


def target_settings(target: str) -> list[str]:
    """Settings for auto, real, reference, a URL, or the path of a program."""
    if not target.strip():
        raise SettingsError(
            "--target is empty; choose auto, real, reference, a URL, or the path of a program"
        )
    if target in ("auto", "real", "reference"):
        return setting_of_option("--target", "acceptance_target", target)
    if "://" in target:
        place = setting_of_option("--target", "target_url", target)
        return [*setting_of_option("--target", "acceptance_target", "auto"), *place]
    # A shell does not expand `~` behind `=`.
    path = user_path(Path(os.path.expanduser(target)))  # noqa: PTH111 - a name of an unknown user stays as it is
    program = path if os.path.lexists(path) else shutil.which(target)
    if program is None:
        raise SettingsError(
            f"--target {target!r} is not an existing program; "
            "choose auto, real, reference, a URL such as http://HOST:PORT, or the path of a program"
        )
    place = setting_of_option("--target", "mistralrs_bin", str(program))
    return [*setting_of_option("--target", "acceptance_target", "real"), *place]


def setting_of_option(option: str, name: str, value: str) -> list[str]:
    """The setting, and the option that messages name as its origin."""
    if not value.strip():
        raise SettingsError(f"{option} is empty; give a value, or leave it out")
    return [f"{name}={value}", f"option.{name}={option}"]


def model_settings(given: str) -> list[str]:
    """Settings for the folder of a model, or for one file of it."""
    if not given.strip():
        raise SettingsError("--model is empty; give the folder or the file of a model, or leave it out")
    model = user_path(Path(given))
    if model.is_dir():
        folder = setting_of_option("--model", "test_model_path", str(model))
        return [*folder, "test_model_file=", "option.test_model_file=--model"]
    if not model.is_file() or not model.name.lower().endswith(MODEL_FILES):
        raise SettingsError(
            f"--model {str(model)!r} is not an existing model; give a folder (SafeTensors) or a .gguf or "
            ".ggml file"
        )
    folder = setting_of_option("--model", "test_model_path", str(model.parent))
    return [*folder, *setting_of_option("--model", "test_model_file", model.name)]

"""Starts of the server as the features name them: with which model, and what a refusal has to name."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.models.files import Format, ModelFiles
from support.servers.command_line import ModelArguments
from support.settings import Settings

if TYPE_CHECKING:
    from support.models.store import ModelStore

TABLE = Path(__file__).with_name("launch_plans.toml")
FORMATS: dict[str, Format] = {"GGUF": "gguf", "SafeTensors": "safetensors", "GGML": "ggml"}
# The words of Linux, macOS and Windows.
PORT_TAKEN = ("in use", "only one usage")


@dataclass(frozen=True)
class LaunchPlan:
    """A model to start with. `names`: a refusal has to name one of these words. `options`: more words."""

    model: ModelArguments
    expected_words: tuple[str, ...] = ()
    port: int | None = None
    options: tuple[str, ...] = ()


@cache
def table() -> dict[str, Any]:
    """The words of the features and what they stand for."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def arguments_of(model: ModelFiles) -> ModelArguments:
    """A model as the command line wants it."""
    return ModelArguments(model.directory, model.file, model.format)


def corrupt_model_plan(format_name: str, defect: str, store: ModelStore, folder: Path) -> LaunchPlan:
    """A start with a model broken in this way; the model is made in `folder`."""
    # Not at the top: numpy comes with it, which the words of the features do not need.
    from support.models.broken import corruption

    broken = corruption(table()["broken"][format_name][defect])
    return LaunchPlan(arguments_of(store.broken(broken.name, folder)), broken.words)


def wrong_path_plan(what: str, store: ModelStore, folder: Path) -> LaunchPlan:
    """A start with a model that is not where, or not what, the call says."""
    row = table()["misplaced"][what]
    whole = store.scripted()
    directory = whole.directory if row["folder"] == "model" else folder / str(row["folder"])
    if row["folder"] == "empty":
        directory.mkdir()
    elif row["folder"] == "disguised":
        shutil.copytree(store.scripted(format="ggml").directory, directory)
        shutil.copyfile(whole.path, directory / row["file"])
    file = row.get("file", None if row["format"] == "safetensors" else whole.file)
    return LaunchPlan(ModelArguments(directory, file, row["format"]), tuple(row["names"]))


def user_model_plan(settings: Settings) -> LaunchPlan:
    """A start with the user's model; the format follows from the file name."""
    own = settings.user_model
    assert own is not None, "this scenario lacks the tag @needs.own_model"
    directory, file = own
    format_name = "safetensors" if file is None else Path(file).suffix.removeprefix(".").lower()
    return LaunchPlan(ModelArguments(directory.absolute(), file, format_name))

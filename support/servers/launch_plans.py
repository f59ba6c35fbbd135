"""Server starts by their names in the features: the model, and words that an error has to contain."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.errors import CheckFailed
from support.models.files import Format, ModelFiles
from support.programs.launcher import free_port
from support.programs.smollm2 import smollm2
from support.servers.command_line import ModelArguments
from support.settings import Settings

if TYPE_CHECKING:
    from support.models.store import ModelStore

TABLE = Path(__file__).with_name("launch_plans.toml")
SMOLLM2 = "SmolLM2"
FORMATS: dict[str, Format] = {"GGUF": "gguf", "SafeTensors": "safetensors", "GGML": "ggml"}
TRAINED_MODELS = (SMOLLM2, "at TEST_MODEL_PATH")
# The messages of Linux, macOS and Windows.
PORT_TAKEN = ("in use", "only one usage")
ONE_PORT = "the same port for the API and MCP"


@dataclass(frozen=True)
class LaunchPlan:
    """A model to start with. `expected_words`: an error has one of them. `options`: more arguments."""

    model: ModelArguments
    expected_words: tuple[str, ...] = ()
    port: int | None = None
    options: tuple[str, ...] = ()


@cache
def table() -> dict[str, dict[str, Any]]:
    """The models that must not load, by their names in the features."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def arguments_of(model: ModelFiles) -> ModelArguments:
    """The command line arguments for a model."""
    return ModelArguments(model.directory, model.file, model.format)


def corrupt_model_plan(format_name: str, defect: str, folder: Path) -> LaunchPlan:
    """A start with a model that has this defect; the model is built in `folder`."""
    # Not at the top: it imports numpy, which the names in the features do not need.
    from support.models.broken import corruption, write_broken

    broken = corruption(table()["corrupt"][format_name][defect])
    return LaunchPlan(arguments_of(write_broken(broken, folder)), broken.words)


def wrong_path_plan(what: str, store: ModelStore, folder: Path) -> LaunchPlan:
    """A start with a model path that is wrong."""
    row = table()["wrong_path"][what]
    whole = store.scripted()
    directory = whole.directory if row["folder"] == "model" else folder / row["folder"]
    if row["folder"] == "empty":
        directory.mkdir()
    elif row["folder"] == "disguised":
        shutil.copytree(store.scripted(format="ggml").directory, directory)
        shutil.copyfile(whole.path, directory / row["file"])
    file = row.get("file", None if row["format"] == "safetensors" else whole.file)
    return LaunchPlan(ModelArguments(directory, file, row["format"]), tuple(row["names"]))


def invalid_mcp_plan(plan: LaunchPlan, what: str, folder: Path) -> LaunchPlan:
    """The plan with this invalid MCP configuration; a file goes into the folder."""
    if what == ONE_PORT:
        port = free_port()
        return replace(plan, port=port, options=("--mcp-port", str(port)), expected_words=("differ",))
    file, content = folder / "tool-servers.json", table()["mcp_config"][what]
    if content:
        file.write_text(content, encoding="utf-8")
    return replace(plan, options=("--mcp-config", str(file)), expected_words=(file.name,))


def trained_model_plan(name: str, settings: Settings) -> LaunchPlan:
    """A start with `SmolLM2`, or with the user's model; its format follows from the file name."""
    if name == SMOLLM2:
        return LaunchPlan(arguments_of(smollm2(settings.acceptance_cache_dir)))
    own = settings.user_model
    if own is None:
        raise CheckFailed("this scenario lacks the tag @needs.own_model")
    directory, file = own
    format_name = "safetensors" if file is None else Path(file).suffix.removeprefix(".").lower()
    return LaunchPlan(ModelArguments(directory.absolute(), file, format_name))

"""What a run was made with: the program, the models, the suite and the machine, with their SHA-256."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib.metadata import distributions, version
from pathlib import Path

from support.certificate.manifest import digest_of_files, sha256_of
from support.errors import SettingsError
from support.models.script import Script
from support.models.store import ModelStore
from support.performance.machine_profile import MachineProfile
from support.settings import Settings
from support.suite_folder import PACKAGED
from support.units import JsonObject

# A wheel has the code, and all else of the suite in a folder beside it.
CODE = Path(__file__).parents[2]
ROOT = PACKAGED if (PACKAGED / "features").is_dir() else CODE
# What decides the result of a run, beside the installed packages.
FOLDERS = ("features", "steps")
FILES = ("environment.py", "known_issues.toml", "pyproject.toml", "uv.lock")
TARGET_FILE = "target file"
COMMAND = "command"
# Of the files of a model; others describe it.
MODEL_SUFFIXES = (".gguf", ".ggml", ".safetensors")


def program_of(report: JsonObject) -> JsonObject:
    """Name, version and SHA-256 of the program under test; raises `SettingsError` when it has changed since.

    A server at a URL has no file here.
    """
    facts = report["environment"]
    found: JsonObject = {"name": facts["target"], "ollama_api": facts["Ollama API"]}
    path = facts.get(TARGET_FILE, "")
    if not path:
        why = "not started by the suite" if TARGET_FILE in facts else "not in the report of this run"
        return {**found, "file": None, "sha256": None, "note": why}
    file = Path(path).resolve()
    _require_older(file, report)
    return {**found, "file": path, "sha256": sha256_of(file)}


def models_of(report: JsonObject, settings: Settings) -> list[JsonObject]:
    """The user's model and those of the suite, with the SHA-256 of their files.

    The suite's are compiled from its own files: the same suite has the same models.
    """
    files: list[Path] = []
    if settings.user_model is not None:
        folder, name = settings.user_model
        files = [folder / name] if name else sorted(folder.glob("*.safetensors"))
        for file in files:
            _require_older(file, report)
    store, script = ModelStore(settings.acceptance_cache_dir / "models"), Script.standard()
    own = (store.scripted(script), store.scripted_with_tools(script), store.categorical(), store.embedding())
    for model in own:
        files += sorted(file for file in model.directory.iterdir() if file.suffix in MODEL_SUFFIXES)
    return [{"file": f"{file.parent.name}/{file.name}", "sha256": sha256_of(file)} for file in files]


def suite_facts() -> JsonObject:
    """The version of the suite and the SHA-256 of all its files."""
    return {"version": version("mistralrs-acceptance"), "sha256": suite_digest()}


def suite_digest(root: Path = ROOT) -> str:
    """One SHA-256 of the features, the steps and the code. A wheel has no uv.lock: its own is another one."""
    files = {name: root / name for name in FILES if (root / name).is_file()}
    for folder in (*(root / name for name in FOLDERS), CODE / "support"):
        files |= {
            file.relative_to(folder.parent).as_posix(): file
            for file in folder.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc"
        }
    return digest_of_files(files)


def packages() -> dict[str, str]:
    """The installed packages of Python with their versions."""
    found = {str(one.metadata["Name"]): one.version for one in distributions()}
    return dict(sorted(found.items(), key=lambda one: one[0].lower()))


def machine_facts(report: JsonObject) -> JsonObject:
    """The machine; raises `SettingsError` when the run was made on another one."""
    if report["environment"]["platform"] != platform.platform():
        raise SettingsError(
            f"the run was made on {report['environment']['platform']}, not on this machine "
            f"({platform.platform()}); certify it there"
        )
    machine = MachineProfile.of_this_machine()
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": machine.cpu,
        "cores": machine.cores,
        "governor": machine.governor,
    }


def _require_older(file: Path, report: JsonObject) -> None:
    """Raises `SettingsError` for a file that has changed since the run began."""
    try:
        changed = file.stat().st_mtime
    except OSError:
        raise SettingsError(f"{file}, which was tested, is not there any more; run the suite again") from None
    if changed > datetime.fromisoformat(report["timestamp"]).timestamp():
        raise SettingsError(f"{file} has changed since the run; run the suite again")

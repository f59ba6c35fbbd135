"""Which Aider a run uses, its first installation, and what is reported where it is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support.errors import ProgramUnavailable, SettingsError
from support.programs import aider as program_of_aider
from support.programs import install
from support.programs.aider import AIDER, CECLI, PYTHONS, python_of
from support.programs.system_program import GIT
from support.programs.system_program import _version as system_version
from support.settings import Settings, load_settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the scripts need a shell")
CACHE = load_settings().settings.acceptance_cache_dir
PRINT_DISTRIBUTIONS = """
import importlib.metadata as m
for d in m.distributions():
    print(f"{d.name.lower().replace('_', '-').replace('.', '-')}=={d.version}")
"""
# Makes an environment whose Python prints a version of each package.
UV = """#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/calls"
for last; do :; done
case "$1" in
venv) mkdir -p "$last/bin"
  printf '#!/bin/sh\\necho 0.86.2\\n' > "$last/bin/python"
  chmod +x "$last/bin/python" ;;
pip) while [ $# -gt 0 ]; do [ "$1" = --python ] && new=$2; shift; done
  [ -e "$here/offline" ] && { echo "error: no network" >&2; echo "hint: try later" >&2; exit 1; }
  echo 'exit 0' > "$new/bin/aider" ;;
esac
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its parent has the uv, and the record of its calls."""
    (tmp_path / "uv").write_text(UV)
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("UV", str(tmp_path / "uv"))
    monkeypatch.setattr(program_of_aider, "_versions", {})
    return tmp_path / "a cache with blanks"


def installations(cache: Path) -> int:
    return (cache.parent / "calls").read_text().count("pip install")


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "aider").iterdir())


def test_two_processes_at_the_same_time_install_once(cache: Path) -> None:
    threads = [threading.Thread(target=AIDER.get, args=(cache, lambda _: None)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert installations(cache) == 1
    assert files(cache) == ["0.86.2", "0.86.2.lock"]


def test_a_failed_installation_leaves_nothing_and_is_one_line(cache: Path) -> None:
    (cache.parent / "offline").touch()
    with pytest.raises(
        ProgramUnavailable, match=r"could not be installed: error: no network hint: try later$"
    ):
        AIDER.get(cache, lambda _: None)
    assert files(cache) == ["0.86.2.lock"]
    (cache.parent / "offline").unlink()
    assert AIDER.get(cache, lambda _: None).version == "0.86.2"


def test_what_a_killed_installation_has_left_is_removed(cache: Path) -> None:
    (cache / "aider" / ".0.86.2-killed" / "new").mkdir(parents=True)
    AIDER.get(cache, lambda _: None)
    assert files(cache) == ["0.86.2", "0.86.2.lock"]


def test_an_environment_that_does_not_run_is_replaced(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    AIDER.get(cache, lambda _: None)
    monkeypatch.setattr(program_of_aider, "_versions", {})
    python = cache / "aider" / "0.86.2" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert AIDER.find(cache) is None
    assert AIDER.get(cache, lambda _: None).origin == "cache"
    assert installations(cache) == 2


def test_a_cache_that_cannot_be_written_is_reported(cache: Path) -> None:
    cache.mkdir()
    (cache / "aider").write_text("a file")
    with pytest.raises(
        ProgramUnavailable, match=r"aider cannot be installed in .*: a file is where a folder should be"
    ):
        AIDER.get(cache, lambda _: None)


def test_a_missing_uv_is_reported(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_uv", lambda: None)
    with pytest.raises(ProgramUnavailable, match="uv is not found"):
        AIDER.get(cache, lambda _: None)


@pytest.mark.parametrize(
    ("version", "expected"), [((3, 12, 1), sys.executable), ((3, 13, 0), PYTHONS), ((3, 9, 0), PYTHONS)]
)
def test_another_python_is_taken_where_aider_does_not_support_this_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], expected: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sys.version_info", version)
        AIDER.install(_folder(cache), lambda _: None)
    assert f"--python {expected} " in (cache.parent / "calls").read_text().splitlines()[0]


def _folder(cache: Path) -> Path:
    folder = AIDER.folder(cache)
    folder.parent.mkdir(parents=True)
    return folder


def environment(folder: Path, version: str) -> Path:
    """A program `aider` beside a Python that prints this version."""
    folder.mkdir()
    for name, text in (("aider", "exit 0"), ("python", f"echo {version}")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder / "aider"


def settings(**values: object) -> Settings:
    return load_settings().settings.model_copy(update=values)


def test_a_link_to_a_program_is_followed(tmp_path: Path) -> None:
    (tmp_path / "aider").symlink_to(environment(tmp_path / "bin", "0.87.1"))
    found = AIDER.locate(settings(aider_bin=tmp_path / "aider"))
    assert found is not None
    assert (found.path, found.version) == (tmp_path / "bin" / "aider", "0.87.1")


def test_a_wrong_program_is_refused_in_one_line(tmp_path: Path) -> None:
    old = environment(tmp_path / "old", "0.50.1")
    closed = environment(tmp_path / "closed", "0.86.2")
    closed.chmod(0o644)
    wrong = {
        tmp_path / "missing": "there is no such file",
        tmp_path: "it is a folder",
        closed: "it is not executable",
        Path("/bin/sh"): "it is no program of the package aider-chat in a Python environment",
        old.with_name("python"): "it is no program of the package aider-chat in a Python environment",
        old: "the suite uses options of Aider 0.86 and newer",
    }
    for path, problem in wrong.items():
        with pytest.raises(SettingsError) as caught:
            AIDER.locate(settings(aider_bin=path))
        assert str(caught.value).endswith(f"is wrong: {problem}; give the path of an aider program")
        assert "\n" not in str(caught.value)


def test_cecli_has_settings_and_a_folder_of_its_own(tmp_path: Path) -> None:
    assert CECLI.folder(tmp_path) == tmp_path / "cecli" / "1.10.0"
    with pytest.raises(SettingsError, match=r"cecli_bin = .*no such file; give the path of a cecli program"):
        CECLI.locate(settings(cecli_bin=tmp_path / "missing"))
    with pytest.raises(SettingsError, match=r"cecli_version = '1\.9\.2' .* options of cecli 1\.10 and newer"):
        CECLI.locate(settings(cecli_version="1.9.2"))
    assert CECLI.chosen(settings(cecli_version="1.11")).folder(tmp_path).name == "1.11"


def test_the_dependencies_of_cecli_are_pinned(cache: Path) -> None:
    folder = CECLI.folder(cache)
    folder.parent.mkdir(parents=True)
    CECLI.install(folder, lambda _: None)
    call = (cache.parent / "calls").read_text().splitlines()[-1]
    assert call.endswith(f"cecli-dev==1.10.0 --constraints {CECLI.dependencies}")
    lines = [line for line in CECLI.dependencies.read_text().splitlines() if not line.startswith("#")]
    names = {re.split("==", line)[0] for line in lines if re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", line)}
    assert {"aiohttp", "httpx", "pydantic"} <= names
    assert [line for line in lines if line.split("==")[0] not in names] == []


@pytest.mark.skipif(CECLI.find(CACHE) is None, reason="cecli is not installed")
def test_an_installed_cecli_has_the_pinned_dependencies() -> None:
    found = CECLI.find(CACHE)
    assert found is not None
    command = [str(python_of(found.path)), "-I", "-c", PRINT_DISTRIBUTIONS]
    installed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    pinned = {line.split(" ")[0] for line in CECLI.dependencies.read_text().splitlines()}
    assert len(installed) > 100
    assert {*installed} - pinned == {"cecli-dev==1.10.0"}


def test_another_version_has_its_own_dependencies(cache: Path) -> None:
    cecli = CECLI.with_version("1.11.0")
    folder = cecli.folder(cache)
    folder.parent.mkdir(parents=True)
    cecli.install(folder, lambda _: None)
    assert "--constraints" not in (cache.parent / "calls").read_text()


def test_an_old_version_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"aider_version = '0\.50\.1' is wrong: .* 0\.86 and newer"):
        AIDER.with_version("0.50.1")


@pytest.mark.parametrize("value", ["nonsense", "..", "../../x", "0.86.2; true", "-0.86", "latest", "1"])
def test_a_version_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("aider_version", "cecli_version"):
        with monkeypatch.context() as patched:
            patched.setenv(name.upper(), value)
            with pytest.raises(SettingsError, match=name):
                load_settings()


@pytest.mark.parametrize("printed", ["git version 2.12.9", "git version 1.8.3.1", "something else"])
def test_a_git_that_is_too_old_or_another_program_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\necho {printed}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    system_version.cache_clear()
    assert GIT.find(tmp_path) is None
    program.unlink()
    assert subprocess.run(["git", "--version"], check=True, capture_output=True).returncode == 0
    assert GIT.find(tmp_path) is not None

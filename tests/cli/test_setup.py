"""The environment of a checkout starts in every locale, wherever the checkout is."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

SETUP = Path(__file__).parents[2] / "tools" / "setup.py"


def load_setup() -> Any:
    spec = importlib.util.spec_from_file_location("project_setup", SETUP)
    assert spec is not None
    assert spec.loader is not None
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    return setup


def test_optional_packages_are_kept_by_later_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = load_setup()
    monkeypatch.setattr(setup, "KEPT_GROUPS", tmp_path / "groups.txt")
    assert setup.groups_with([]) == []
    assert setup.groups_with(["fuzz"]) == ["fuzz"]
    (tmp_path / "groups.txt").write_text("fuzz")
    assert setup.groups_with([]) == ["fuzz"]
    assert setup.groups_with(["clients"]) == ["clients", "fuzz"]


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
def test_a_failing_child_is_noticed_where_the_signal_of_ended_children_is_ignored(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\ncase $1 in --version) echo uv 99.0.0;; *) exit 3;; esac\n")
    uv.chmod(0o755)
    script = (
        "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); sys.path.insert(0, sys.argv[1])\n"
        "import setup; setup.PROJECT = setup.Path(sys.argv[2]); setup.COMPILED = setup.PROJECT / 'none'\n"
        "(setup.PROJECT / 'uv.lock').touch(); sys.exit(setup.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, SETUP.parent, tmp_path],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "`uv sync --locked` failed" in done.stderr) == (2, True), done


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_the_longest_part_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\ncase $* in --version) echo uv 99.0.0;; *--compile-bytecode*) exit 3;; esac\n")
    uv.chmod(0o755)
    (tmp_path / "uv.lock").touch()
    setup = load_setup()
    for name, path in {"PROJECT": "", "COMPILED": "none", "KEPT_GROUPS": "groups.txt"}.items():
        monkeypatch.setattr(setup, name, tmp_path / path)
    monkeypatch.setattr(setup, "keep_exit_codes", lambda: None)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert setup.main() == 2
    output = capsys.readouterr()
    assert output.out.splitlines()[-1].startswith("setup: compiling the packages")
    assert "could not be compiled" in output.err


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_python_starts_in_a_checkout_whose_path_has_an_umlaut(tmp_path: Path) -> None:
    setup = load_setup()
    project = tmp_path / "prüfstand"
    venv.create(project / ".venv", symlinks=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    file = project / ".venv" / "lib" / version / "site-packages" / "_editable.pth"
    file.write_bytes(os.fsencode(project))
    setup.make_paths_relative(project / ".venv", project)
    started = subprocess.run(
        [project / ".venv" / "bin" / "python", "-c", "import sys; print(ascii(sys.path))"],
        env={"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
    assert ascii(str(project)) in started.stdout

"""The environment of a checkout starts in every locale, wherever the checkout is."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "tools" / "setup.py"


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_python_starts_in_a_checkout_whose_path_has_an_umlaut(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("project_setup", SETUP)
    assert spec is not None
    assert spec.loader is not None
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
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

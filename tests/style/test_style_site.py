"""The documents build as a site: no link, file or section of another document is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.style.reading import ROOT
from tests.timeouts import PATIENCE
from tools import site


def test_the_site_is_built_with_every_link(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.site", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "Start here" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "docs" / "findings" / "index.html").is_file()


def test_a_folder_with_other_files_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert site.main([str(tmp_path)]) == 1
    assert "has other files" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").is_file()

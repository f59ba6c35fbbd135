"""The documents build as a site: no link, file or section of another document is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.style.reading import ROOT
from tests.timeouts import PATIENCE


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

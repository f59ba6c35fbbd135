"""The files of the checkout that git keeps: what tools copy or read, without reports and caches."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
LIST_SECONDS = 120.0


def kept_files(*patterns: str, new: bool = True) -> list[Path]:
    """Those that are there; with `new`, also new ones. `patterns`: of git, such as `*.md`; else all."""
    listed = subprocess.run(
        ["git", "ls-files", "-co" if new else "-c", "--exclude-standard", "-z", *patterns],
        cwd=PROJECT,
        capture_output=True,
        check=True,
        timeout=LIST_SECONDS,
    )
    files = [PROJECT / name for name in listed.stdout.decode().split("\0") if name]
    return [file for file in files if file.is_file()]

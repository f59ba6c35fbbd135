"""Compares the speed of HEAD with another revision, as ratios measured in turns on one machine.

    .venv/bin/python tools/compare_speed.py REVISION [reference] [real] [tests] [--times N]

reference, real   the whole suite by one worker on that target, the HTML report included
tests             `make test`

Both are cloned into a temporary directory with environments of their own. The runs alternate (old,
new, old, new, ...) because machines get busy and quiet; the median of the ratios counts. A run that is not
green is an error. Each run uses a fresh report directory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parents[1]
SUBJECTS = ("reference", "real", "tests")
SETUP_SECONDS = 900.0
RUN_SECONDS = 3600.0


def main() -> int:
    """Print a Markdown table of medians and ratios; 1 when a run was not green."""
    parser = argparse.ArgumentParser(description="Compares the speed of two revisions.")
    parser.add_argument("revision")
    parser.add_argument("subjects", nargs="*", default=["reference"], help=", ".join(SUBJECTS))
    parser.add_argument("--times", type=int, default=3)
    chosen = parser.parse_args()
    unknown = [subject for subject in chosen.subjects if subject not in SUBJECTS]
    if unknown or chosen.times < 1:
        parser.error(f"subjects are {', '.join(SUBJECTS)}; --times is 1 or more")
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {chosen.revision} and HEAD in turns\n")
    print("| what | old, s | new, s | new / old |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="acceptance-speed-") as folder:
        old = _checkout(chosen.revision, Path(folder) / "old")
        new = _checkout("HEAD", Path(folder) / "new")
        try:
            for subject in chosen.subjects:
                print(_row(subject, old, new, chosen.times), flush=True)
        except RuntimeError as error:
            print(f"compare_speed: {error}", file=sys.stderr)
            return 1
    return 0


def _checkout(revision: str, place: Path) -> Path:
    """A clone of this repository at a revision, with its environment."""
    for command in (
        ["git", "clone", "--quiet", str(PROJECT), str(place)],
        ["git", "-C", str(place), "checkout", "--quiet", revision],
        [sys.executable, str(place / "tools" / "setup.py")],
    ):
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SETUP_SECONDS
        )
    return place


def _row(subject: str, old: Path, new: Path, times: int) -> str:
    pairs = [(_seconds(subject, old), _seconds(subject, new)) for _ in range(times)]
    before, after = ([pair[side] for pair in pairs] for side in (0, 1))
    ratio = median(new / former for former, new in pairs)
    return f"| {subject} | {_figures(before)} | {_figures(after)} | {ratio:.2f} |"


def _seconds(subject: str, checkout: Path) -> float:
    """Wall seconds of one run in a checkout; RuntimeError when it is not green."""
    programs = checkout / ".venv" / "bin"
    with tempfile.TemporaryDirectory(prefix="acceptance-speed-") as folder:
        command = ["make", "--no-print-directory", "test", f"PYTHON={sys.executable}"]
        if subject != "tests":
            reports = f"acceptance_reports_dir={folder}"
            command = [str(programs / "acceptance"), "run", "--target", subject, "-D", reports]
        log = Path(folder) / "output.txt"
        started = time.monotonic()
        with log.open("w", encoding="utf-8") as output:
            done = subprocess.run(
                command,
                cwd=checkout,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=RUN_SECONDS,
                check=False,
            )
        seconds = time.monotonic() - started
        if done.returncode != 0:
            end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)} in {checkout}: exit code {done.returncode}\n{end}")
    return seconds


def _figures(values: list[float]) -> str:
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    sys.exit(main())

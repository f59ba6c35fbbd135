"""A Chromium of this machine, without a window; never installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cache as memoized
from pathlib import Path

from support.errors import ProgramUnavailable
from support.programs.install import ExternalProgram, InstalledProgram, ReportProgress, printed_version

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# The first whose `--headless` is the whole browser: https://developer.chrome.com/docs/chromium/headless
MINIMUM_MAJOR = 112
# No first page, no update, no report, no extension; nothing outside of the page itself is loaded.
QUIET = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
)


class Browser(ExternalProgram):
    """Chromium, or Chrome."""

    name = "chromium"
    purpose = "draws the panels of the dashboard with Grafana's components"
    install_hint = "apt-get install chromium (or install Chrome, with its program on the PATH)"

    def find(self, cache: Path) -> InstalledProgram | None:  # noqa: ARG002 - as of every program
        """The first on the PATH that runs and is new enough."""
        for name in NAMES:
            path = shutil.which(name)
            version = _version(Path(path)) if path else ""
            if path and version and int(version.partition(".")[0]) >= MINIMUM_MAJOR:
                return InstalledProgram(self.name, Path(path), version, "PATH")
        return None

    def install(self, folder: Path, report_progress: ReportProgress) -> None:  # noqa: ARG002 - as of every program
        """Raises `ProgramUnavailable` with the command of a package manager."""
        raise ProgramUnavailable(f"Chromium {MINIMUM_MAJOR} or newer is not on the PATH: {self.install_hint}")


def screenshot_command(
    browser: InstalledProgram, page: Path, picture: Path, size: tuple[int, int], profile: Path
) -> Sequence[str]:
    """The command that opens a page without a window, waits until its work is done, and writes a picture.

    The page's messages are on standard error. `size`: in pixels; `profile`: a folder that it may fill.
    """
    # The sandbox of Chromium does not work for root: https://crbug.com/638180
    sandbox = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
    return [
        str(browser.path),
        *QUIET,
        *sandbox,
        f"--user-data-dir={profile}",
        "--enable-logging=stderr",
        # Of the page's clock, which goes on when nothing is left to do before the next timer.
        "--virtual-time-budget=10000",
        f"--screenshot={picture}",
        f"--window-size={size[0]},{size[1]}",
        page.as_uri(),
    ]


@memoized
def _version(program: Path) -> str:
    """`156.0.8078.108`, or an empty text when it does not run."""
    return printed_version(r"Chrom(?:ium|e)\S* (\d+[.\d]*)", program, "--version")

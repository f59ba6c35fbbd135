"""Grafana's components (@grafana/ui, @grafana/data), in one file that a page can load.

npm installs them as locked in support/monitoring/grafana_components, esbuild joins what the page needs; only
the result is kept.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from support.programs.allure import NodeProgram, node_environment, npm_command
from support.programs.install import (
    ExternalProgram,
    InstalledProgram,
    ReportProgress,
    install,
    replacing,
)

SOURCE = Path(__file__).parent.parent / "monitoring" / "grafana_components"
LOCKED = ("package.json", "package-lock.json", ".npmrc")
SCRIPTS = ("panels.tsx", "scrollbars.js")
BUNDLE, STYLES = "panels.js", "panels.css"
INSTALL_SECONDS = 600.0
BUNDLE_SECONDS = 120.0
BUNDLE_OPTIONS = (
    "--bundle",
    "--minify",
    "--format=iife",
    "--jsx=automatic",
    '--define:process.env.NODE_ENV="production"',
    # The editor of queries: no panel has one.
    "--external:monaco-editor",
    "--loader:.woff2=dataurl",
    "--loader:.woff=empty",
    "--alias:react-custom-scrollbars-2=./scrollbars.js",
    "--log-level=error",
)


class GrafanaComponents(ExternalProgram):
    """The path is that of the script; its styles are beside it."""

    name = "grafana-components"
    purpose = "draw the panels of the dashboard in the report"
    install_hint = "acceptance get grafana-components"
    unusable = "esbuild succeeded, but there is no script in {folder}; remove that folder and repeat"

    def folder(self, cache: Path) -> Path:
        sources = b"".join((SOURCE / name).read_bytes() for name in (*LOCKED, *SCRIPTS))
        digest = hashlib.sha256(sources + repr(BUNDLE_OPTIONS).encode()).hexdigest()
        return cache / "grafana-components" / digest[:16]

    def find(self, cache: Path) -> InstalledProgram | None:
        """Those of the present lock file and page."""
        script = self.folder(cache) / BUNDLE
        if not script.is_file() or not script.with_name(STYLES).is_file():
            return None
        version = json.loads((SOURCE / "package.json").read_bytes())["dependencies"]["@grafana/ui"]
        return InstalledProgram(self.name, script, str(version), "cache")

    def install(self, folder: Path, report_progress: ReportProgress) -> None:
        """With Node.js, if that is missing."""
        node = NodeProgram().get(folder.parents[1], report_progress)
        env = node_environment(node)
        failure = "Grafana's components could not be"
        with replacing(folder) as new:
            work = new.with_name("work")
            new.mkdir()
            work.mkdir()
            for file in (*LOCKED, *SCRIPTS):
                shutil.copy(SOURCE / file, work / file)
            report_progress("getting Grafana's components (npm ci, 460 MB until they are joined)")
            npm = [*npm_command(node), "ci", "--loglevel=error"]
            install(f"{failure} installed with npm", npm, timeout=INSTALL_SECONDS, env=env, cwd=work)
            report_progress("joining them (esbuild)")
            esbuild = str(Path("node_modules", "esbuild", "bin", "esbuild"))
            target = f"--outfile={new / BUNDLE}"
            command = [str(node.path), esbuild, SCRIPTS[0], *BUNDLE_OPTIONS, target]
            install(f"{failure} joined", command, timeout=BUNDLE_SECONDS, env=env, cwd=work)

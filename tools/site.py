"""Builds the site of the documentation in `reports/site`: `make site`. A dead link or anchor is an error.

`python -m tools.site FOLDER` builds it in another folder, which is a new one, an empty one or that of an
earlier site: MkDocs removes what is there.

MkDocs reads one folder. So the documents are copied, with the files that they link to, in the same places;
a link to a folder becomes its name, since a site has no listing of folders.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from support.programs.process import CommandTimeout, run_command
from tools.kept_files import PROJECT, kept_files

SITE = PROJECT / "reports" / "site"
CONFIGURATION = PROJECT / "docs" / "site.yml"
BUILD_SECONDS = 120.0
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def main(arguments: Sequence[str] = ()) -> int:
    """0 when it is built; 1 with MkDocs' messages, or for a folder with other files."""
    site = Path(arguments[0]).absolute() if arguments else SITE
    if site.exists() and not _may_be_replaced(site):
        print(f"site: {site} has other files, which would be removed; give a new folder", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="acceptance-site-") as name:
        folder = Path(name)
        copy_pages(folder / "pages")
        shutil.copy(CONFIGURATION, folder / "mkdocs.yml")
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--site-dir", str(site)]
        try:
            done = run_command(command, within=BUILD_SECONDS, cwd=folder)
        except CommandTimeout as error:
            print(f"site: {error}", file=sys.stderr)
            return 1
    if done.exit_code != 0:
        print(f"site: not built\n{done.stdout}{done.stderr}", file=sys.stderr)
        return 1
    print(f"site: {site / 'index.html'}")
    return 0


def _may_be_replaced(site: Path) -> bool:
    """An empty folder, or a site that MkDocs has built."""
    return site.is_dir() and (not any(site.iterdir()) or (site / "sitemap.xml").is_file())


def copy_pages(folder: Path) -> None:
    """The documents that git keeps, and each file that they link to."""
    for page in kept_files("*.md"):
        text = page.read_text(encoding="utf-8")
        target = folder / page.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(LINK.sub(partial(_link, page), text), encoding="utf-8")
        for linked in _linked_files(page, text):
            copy = folder / linked.relative_to(PROJECT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(linked, copy)


def _link(page: Path, match: re.Match[str]) -> str:
    text, path = match[1], match[2]
    return text if "://" not in path and (page.parent / path).is_dir() else match[0]


def _linked_files(page: Path, text: str) -> Iterator[Path]:
    for match in LINK.finditer(text):
        path = (page.parent / match[2]).resolve()
        if "://" not in match[2] and path.is_file() and path.suffix != ".md":
            yield path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

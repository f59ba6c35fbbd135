"""What git keeps names no machine, no secret and no private registry."""

from __future__ import annotations

import re

from tests.style.reading import ROOT, named
from tools.kept_files import kept_files

# Written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.}*)])/(?:root|work|home/[a-z_][\w-]*|Users/\w+)(?![\w-])")
SECRET = re.compile(
    r"\b(?:sk-[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}"
    r"|xox[abp]-[A-Za-z0-9-]{20,}|glpat-[\w-]{20,}|eyJ[\w-]{20,}\.eyJ[\w-]{20,})|-{5}BEGIN [A-Z ]*PRIVATE KEY"
)
REGISTRIES = {
    "uv.lock": ("https://pypi.org/simple", "https://files.pythonhosted.org/"),
    "support/reporting/allure3/package-lock.json": ("https://registry.npmjs.org/",),
    "support/monitoring/grafana_components/package-lock.json": ("https://registry.npmjs.org/",),
}
TOP_LEVEL = {
    ".ci",
    ".dockerignore",
    ".github",
    ".gitignore",
    "Makefile",
    "README.md",
    "action.yml",
    "known_issues.toml",
    "docs",
    "environment.py",
    "features",
    "pyproject.toml",
    "reports",
    "steps",
    "support",
    "tests",
    "tools",
    "uv.lock",
}
FETCHED = re.compile(r'(?:registry = |url = |"resolved": )"([^"]+)"')


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{named(file)}:{number} {match[0]}"
        for file in kept_files()
        for number, line in enumerate(file.read_bytes().decode("utf-8", "replace").splitlines(), 1)
        if (match := pattern.search(line))
    ]


def test_no_path_of_a_machine() -> None:
    assert not found(MACHINE_PATH)


def test_no_secret() -> None:
    assert not found(SECRET)


def test_lock_files_name_public_registries() -> None:
    for name, allowed in REGISTRIES.items():
        fetched = FETCHED.findall((ROOT / name).read_text(encoding="utf-8"))
        assert not [url for url in fetched if not url.startswith(allowed)], name


def test_reports_are_not_kept() -> None:
    kept = {named(file) for file in kept_files()}
    assert not [name for name in kept if name.startswith("reports/") and name != "reports/.gitkeep"]
    assert not [name for name in kept if "__pycache__" in name]


def test_nothing_else_lies_at_the_top() -> None:
    """Notes, logs and links that came along by mistake; what is not committed may lie there."""
    kept = kept_files(new=False)
    assert {named(file).partition("/")[0] for file in kept} == TOP_LEVEL
    assert not [named(file) for file in kept if file.is_symlink()]

"""docs/findings.md: an index with each section and each script, or a reason why there is no script."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "findings.md").read_text(encoding="utf-8")
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
# A row: the section, and the link to its script or the reason why there is none.
ROW = re.compile(r"^\| \[([^\]]+)\]\(#[^)]+\) \|(.+)\|$", re.MULTILINE)
SCRIPT = re.compile(r"\(findings/(\w+)\.py\)")
ABOUT_THE_PAGE = {"Repeat one", "Index"}


def test_each_section_is_in_the_index() -> None:
    listed = [section for section, _ in ROW.findall(PAGE)]
    assert {*HEADING.findall(PAGE)} - ABOUT_THE_PAGE == {*listed}


def test_each_script_is_in_the_index_once() -> None:
    scripts = {file.stem for file in (DOCS / "findings").glob("*.py") if not file.name.startswith("_")}
    listed = SCRIPT.findall(PAGE[: PAGE.index("## Mixed answers")])
    assert sorted(listed) == sorted(scripts)


def test_a_section_without_a_script_has_a_reason() -> None:
    without = [(section, text) for section, text in ROW.findall(PAGE) if not SCRIPT.search(text)]
    assert without
    assert not [section for section, text in without if len(text.split()) < 4]

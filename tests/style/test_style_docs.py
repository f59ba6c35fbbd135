"""The documentation is complete: every module is listed, every link and every cited section exists."""

from __future__ import annotations

import ast
import builtins
import re
import tomllib
from pathlib import Path

import pytest

from tests.style.reading import ROOT, SUPPORT, named, slug
from tools.kept_files import kept_files

ARCHITECTURE = ROOT / "docs/architecture.md"
DOCUMENTS = [file for file in kept_files() if file.suffix == ".md"]
MOST_LINES_OF_README = 280
SECTION = re.compile(r"^### `(support/[^`]*)`.*\n((?:(?!^##).*\n)*)", re.MULTILINE)
MODULE = re.compile(r"^\| `([\w/]+\.py)` \|", re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ANCHOR = re.compile(r'<a id="([^"]+)">')
LINK = re.compile(r"\]\(([^)\s]+)\)")
MARKDOWN = re.compile(r"[\w-]+\.md\b")
# Documents of Ollama, GGUF and OpenAI that docstrings cite, and reports that a run writes.
FOREIGN_OR_WRITTEN = {
    "api.md",
    "comparison.md",
    "development.md",
    "gguf.md",
    "openai.md",
    "proof.md",
    "report.md",
    "matrix.md",
    "summary.md",
}
RAISES = re.compile(r"[Rr]aises? `(\w+)`")
CITED = re.compile(r"docs/\w+\.md#[\w-]+")


def listed_modules() -> list[str]:
    """`support/http/client.py`, for each row of a table of modules."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    return [
        folder.rstrip("/") + "/" + name
        for folder, rows in SECTION.findall(text)
        for name in MODULE.findall(rows)
    ]


def anchors(document: Path) -> set[str]:
    """The names that a link to a part of this document can use, as GitHub makes them."""
    text = document.read_text(encoding="utf-8")
    return {slug(heading) for heading in HEADING.findall(text)} | set(ANCHOR.findall(text))


def test_architecture_lists_every_module_once() -> None:
    modules = [named(file) for file in SUPPORT if file.name != "__init__.py"]
    assert sorted(listed_modules()) == sorted(modules)


@pytest.mark.parametrize(
    "package",
    [file for file in SUPPORT if file.name == "__init__.py" and file.parent.name != "support"],
    ids=named,
)
def test_package_docstring_lists_its_modules(package: Path) -> None:
    docstring = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
    first_words = {line.split()[0].rstrip("/") for line in docstring.splitlines() if line.strip()}
    siblings = {file.stem for file in package.parent.glob("*.py")} - {"__init__"}
    subpackages = {file.parent.name for file in package.parent.glob("*/__init__.py")}
    assert not (siblings | subpackages) - first_words


def test_modules_cite_documents_that_exist() -> None:
    known = FOREIGN_OR_WRITTEN | {document.name for document in DOCUMENTS}
    cited = {name for file in SUPPORT for name in MARKDOWN.findall(file.read_text(encoding="utf-8"))}
    assert not cited - known


def test_docstrings_name_exceptions_that_exist() -> None:
    trees = {named(file): ast.parse(file.read_text(encoding="utf-8")) for file in SUPPORT}
    known = {
        node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    }
    named_there = {
        (file, name)
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for name in RAISES.findall(ast.get_docstring(node) or "")
    }
    assert named_there
    assert not {
        (file, name) for file, name in named_there if name not in known and not hasattr(builtins, name)
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    wrong = []
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert not wrong


def test_cited_sections_exist() -> None:
    issues = tomllib.loads((ROOT / "known_issues.toml").read_text(encoding="utf-8"))
    sources = {str(entry["source"]) for entries in issues.values() for entry in entries}
    code = [
        file
        for file in kept_files()
        if file.suffix in (".py", ".toml") and named(file).startswith(("support/", "steps/", "tools/"))
    ]
    cited = sources | {found for file in code for found in CITED.findall(file.read_text(encoding="utf-8"))}
    wrong = []
    for source in cited:
        path, _, anchor = source.partition("#")
        if path.startswith("docs/") and (
            not (ROOT / path).is_file() or (anchor and anchor not in anchors(ROOT / path))
        ):
            wrong.append(source)
    assert not wrong


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < MOST_LINES_OF_README

"""The layers of support/ (docs/architecture.md): a package imports only from layers below its own.

Every import counts: at the top of a file, inside a function, under `TYPE_CHECKING`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.style.reading import ENVIRONMENT, STEPS, SUPPORT, imports, named

# From bottom to top; each package or module of support/ stands in one line.
LAYERS = (
    ("errors", "units", "user_files", "waiting"),
    ("name_registry", "suite_folder"),
    ("results", "models"),
    ("settings",),
    ("programs", "http"),
    ("servers",),
    ("conformance", "monitoring", "reporting"),
    ("suite", "scenario"),
    ("chat", "independent", "mcp", "terminal"),
    ("aider", "clients", "performance", "faults", "probe"),
    ("world", "runner"),
    ("fault_injection", "certificate"),
    ("cli", "doctor"),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
# Packages of one layer that may use each other, one way: importer -> imported.
NEIGHBOURS = {
    ("programs", "http"): "a server program is ready when it responds",
    ("scenario", "suite"): "a scenario belongs to a run",
    ("conformance", "monitoring"): "the page of metrics is checked as an API",
    ("faults", "performance"): "whether a server is generating, and many clients at once",
    ("cli", "doctor"): "`acceptance doctor` is a command of the command line",
}
# Imports from a layer above that are still there, with the reason. It may only become shorter.
ALLOWED = {
    ("suite", "mcp"): "the tool server",
}
# Started as programs: they import nothing from the rest of support/, nothing imports them.
BUNDLED = "bundled"


def package_of(file: Path) -> str:
    """`support/http/client.py` -> `http`, `support/suite.py` -> `suite`; "" for support/__init__.py."""
    parts = file.with_suffix("").parts[len(file.parts) - len(Path(named(file)).parts) :]
    return parts[1] if len(parts) > 1 and parts[1] != "__init__" else ""


def crossings(files: list[Path]) -> Iterator[tuple[str, str, str]]:
    """Importing package, imported package, place: each import of support/ from another package of it."""
    for file in files:
        for name, line in imports(file):
            parts = name.split(".")
            if parts[0] == "support" and len(parts) > 1 and parts[1] != package_of(file):
                yield package_of(file), parts[1], f"{named(file)}:{line}"


def test_every_package_has_a_layer() -> None:
    packages = {package_of(file) for file in SUPPORT} - {"", BUNDLED}
    assert packages <= LAYER.keys()


def test_no_package_imports_from_its_own_layer_or_above() -> None:
    wrong = [
        f"{place}: {importer} -> {imported}"
        for importer, imported, place in crossings(SUPPORT)
        if BUNDLED not in (importer, imported)
        and (importer, imported) not in NEIGHBOURS.keys() | ALLOWED.keys()
        and LAYER[imported] >= LAYER[importer]
    ]
    assert not wrong


def test_each_exception_is_still_needed() -> None:
    found = {(importer, imported) for importer, imported, _ in crossings(SUPPORT)}
    assert not (NEIGHBOURS.keys() | ALLOWED.keys()) - found


def test_bundled_products_stand_alone() -> None:
    wrong = [
        f"{place}: {importer or 'steps'} -> {imported}"
        for importer, imported, place in crossings([*SUPPORT, *STEPS, ENVIRONMENT])
        if BUNDLED in (importer, imported) and (importer, imported) not in ALLOWED
    ]
    assert not wrong


def test_bundled_products_do_not_import_each_other() -> None:
    wrong = []
    for file in SUPPORT:
        parts = Path(named(file)).parts
        if parts[1] != BUNDLED or len(parts) < 4:
            continue
        wrong += [
            f"{named(file)}:{line} {name}"
            for name, line in imports(file)
            if name.startswith(f"support.{BUNDLED}.") and name.split(".")[2] != parts[2]
        ]
    assert not wrong

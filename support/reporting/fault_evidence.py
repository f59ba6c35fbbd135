"""What the last `acceptance prove` in the folder of the reports found: how far a green run can be trusted."""

from __future__ import annotations

import json
from pathlib import Path

from support.results.outcome import Evidence
from support.results.safe_text import counted
from support.units import JsonObject
from support.user_files import problem_of, read_regular_file

# Below the folder of reports: what `acceptance prove` leaves, for programs and for people.
FOLDER, DOCUMENT, PAGE = "proof", "proof.json", "proof.md"
TITLE = "injected faults"
NOT_MEASURED = "not measured: `acceptance prove` injects faults and counts which the suite detects"


def injected_faults(reports: Path) -> str:
    """How many were injected, detected and missed, the false alarms, the target and the date: one line."""
    try:
        found = json.loads(read_regular_file(reports / FOLDER / DOCUMENT))
        return (
            f"{_detected(found)}; {_alarms(found)};"
            f" {found['target']}, by {found.get('suite', 'an older suite')}, {found['date']}"
        )
    except FileNotFoundError:
        return NOT_MEASURED
    except (OSError, UnicodeDecodeError) as error:
        return f"not known: {DOCUMENT} cannot be read ({problem_of(error)})"
    except (ValueError, LookupError, TypeError):
        return f"not known: {DOCUMENT} is damaged"


def _detected(found: JsonObject) -> str:
    if not found["injected"]:
        return "no fault was injected"
    bound = f"at least {found['lower_bound']:.1%} of such faults, 95 % confidence"
    every = found.get("every", 1)
    rate = f", each in 1 of {every} exchanges," if every > 1 else ""
    missed = f", not detected: {', '.join(found['missed'])}" if found["missed"] else ""
    # A part was chosen, or the target cannot show some.
    all_faults = found["catalogue"] if "catalogue" in found else found["injected"]
    part = f"; the catalogue has {counted(all_faults, 'fault')}" if all_faults > found["injected"] else ""
    return f"{found['detected']} of {found['injected']}{rate} detected ({bound}){missed}{part}"


def _alarms(found: JsonObject) -> str:
    alarms = counted(len(found["false_alarms"]), "false alarm")
    variants = counted(found["harmless"], "harmless variant")
    return f"{alarms} in {variants}" if found["harmless"] else "no harmless variant was tried"


def fault_pages(reports: Path) -> list[Evidence]:
    """The page with each fault, where there is one."""
    page = reports / FOLDER / PAGE
    try:
        return [Evidence.text(TITLE, read_regular_file(page).decode(), PAGE)]
    except (OSError, UnicodeDecodeError):
        return []

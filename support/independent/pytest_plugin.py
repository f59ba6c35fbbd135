"""Skips the tests of an SDK that do not apply; loaded by the pytest of that suite, in its own environment.

It imports nothing of this project. The file named by the variable has a list of [pattern, reason].
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

VARIABLE = "ACCEPTANCE_NOT_APPLICABLE"


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Marks them, so that the report has each with its reason."""
    # No import: pytest belongs to that environment, not to this project.
    mark = sys.modules["pytest"].mark
    rules = json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))
    for item in items:
        reason = next((why for pattern, why in rules if re.search(pattern, item.nodeid)), None)
        if reason is not None:
            item.add_marker(mark.skip(reason=reason))

"""The command that runs a check or a scenario again, on the same server.

`set_rerun_target` is called once per process, when the target is known.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_options: list[str] = []


def set_rerun_target(options: Sequence[str]) -> None:
    """The options of `acceptance run` that choose the target of this run; none where it is the default."""
    _options[:] = options


def rerun_command(*selection: str, gate: str = "") -> str:
    """`acceptance run --case ID`, or whatever is selected, with the target."""
    chosen = [*selection, *_options, *(("--gate", gate) if gate else ())]
    return shlex.join(["acceptance", "run", *chosen])

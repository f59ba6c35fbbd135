"""Two quantisations of one model on servers of their own: ratios with intervals, and the names of both files.

Their files differ, and so may their texts: that is what is compared. The tokens of each request are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from support.models.files import ModelFiles
from support.performance.comparison import ComparedTarget, Comparison, compare
from support.performance.comparison_report import write_comparison
from support.performance.configurations import OUTPUT_TOKENS, PROMPT_WORDS, REQUEST_SECONDS
from support.performance.load.plan import LoadPlan
from support.performance.target_facts import local_process
from support.programs.launcher import LaunchedProgram

# A quantised model may need a second for a prompt: five rounds of six requests take a minute then.
ROUNDS, REQUESTS, SECONDS = 5, 6, 120.0


def compare_quantisations(
    names: tuple[str, str],
    model: Callable[[str], ModelFiles],
    start: Callable[[ModelFiles], LaunchedProgram],
    folder: Path,
    report: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Both servers run at the same time, and get the load in turns; the files are left in the folder.

    `names`: of the quantisations, which `model` makes. Raises `TargetError` when one does not answer.
    """
    folder.mkdir(parents=True)
    with ExitStack() as ends:

        def started(name: str) -> ComparedTarget:
            server = start(model(name))
            ends.callback(server.stop)
            return ComparedTarget(name, server.url, "default", pid=local_process(server.url))

        load = LoadPlan(
            "http://",
            "",
            users=1,
            requests=REQUESTS,
            prompt_words=PROMPT_WORDS,
            output_tokens=OUTPUT_TOKENS,
            timeout=REQUEST_SECONDS,
        )
        targets = started(names[0]), started(names[1])
        measured = compare(targets, load, folder, rounds=ROUNDS, seconds=SECONDS, progress=report)
    found = replace(measured, two_files=True)
    write_comparison(found, folder)
    return found

"""A toy suite for the guarded runner: features with every way to end, and programs to judge."""

from __future__ import annotations

import shutil
from pathlib import Path

HERE = Path(__file__).parent

PYPROJECT = """\
[tool.behave]
paths = ["features"]
runner = "guarded"
default_format = "live"
default_tags = ["not @slow"]
tag_expression_protocol = "v2"
junit = true
summary = false
show_skipped = true
capture_hooks = false
show_snippets = false
scenario_outline_annotation_schema = "{name}"

[tool.behave.runners]
guarded = "support.running.guard:GuardedRunner"

[tool.behave.formatters]
live = "support.reporting.live:Live"
"""

# Title -> steps. Each stands in a feature of its own, so that a run can choose.
SCENARIOS = {
    "It passes": "Then 1 is 1",
    "It passes as well": "Then 2 is 2",
    "It fails": "Then 1 is 2",
    "It breaks": "Then the harness breaks",
    "It is undefined": "Then nobody has written this",
    "Its hook breaks": "Then 1 is 1",
    "Its hook finds a defect": "Then 1 is 1",
    "Its cleanup breaks": "Given a cleanup that breaks\n    Then 1 is 1",
    "It tells the key": "Then the key is told",
    "It leaves quietly": "Then the step calls sys.exit",
    "It forgets a child": "Given a child that listens\n    Then 1 is 1",
    "It cleans for long": (
        "Given a child that listens\n    And a cleanup that takes long\n    Then the step waits long"
    ),
    "It waits": "Given a child that listens\n    Then the step waits long",
}

DEVIATIONS = """\
[[deviation]]
target = "mistralrs"
versions = ">=9"
scenarios = ["{title}"]
why = "one is not two here"
source = "https://example.org/issues/1"
"""

PROGRAMS = {
    "good": "#!/bin/sh\necho 'mistralrs 9.9.9'\n",
    "silent": "#!/bin/sh\nexit 0\n",
    # The child would hold the output open if only the shell were ended.
    "hanging": "#!/bin/sh\nsleep 600\n",
}


def make(folder: Path, *titles: str, deviation: str | None = None) -> None:
    """Write the suite with these scenarios (all are known by title) into a folder."""
    features = folder / "features" / "toy"
    features.mkdir(parents=True)
    for number, title in enumerate(titles):
        text = f"Feature: Toy {number}\n\n  @normal\n  Scenario: {title}\n    {SCENARIOS[title]}\n"
        (features / f"toy{number}.feature").write_text(text)
    (folder / "steps").mkdir()
    shutil.copyfile(HERE / "toy_steps_guarded.py", folder / "steps" / "toy.py")
    shutil.copyfile(HERE / "toy_environment_guarded.py", folder / "environment.py")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    if deviation is not None:
        (folder / "deviations.toml").write_text(DEVIATIONS.format(title=deviation))


def program(folder: Path, kind: str, *, executable: bool = True) -> Path:
    """Write a program to judge."""
    file = folder / f"program-{kind}"
    file.write_text(PROGRAMS[kind])
    file.chmod(0o755 if executable else 0o644)
    return file

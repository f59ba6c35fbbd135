"""A toy suite for the guarded runner: features with every way to end, and programs to test."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent

PYPROJECT = """\
[tool.behave]
paths = ["features"]
runner = "guarded"
default_format = "live"
default_tags = ["not @slow"]
tag_expression_protocol = "v2"
summary = false
show_skipped = true
capture_hooks = false
show_snippets = false
scenario_outline_annotation_schema = "{name}"

[tool.behave.runners]
guarded = "support.runner.runner:GuardedRunner"

[tool.behave.formatters]
live = "support.reporting.progress:Live"
"""

# Title -> steps. Each stands in a feature of its own, so that a run can choose.
SCENARIOS = {
    "It passes": "Then 1 is 1",
    "It passes as well": "Then 2 is 2",
    "It fails": "Then 1 is 2",
    "It breaks": "Then the harness breaks",
    "It is undefined": "Then this step has no definition",
    "Its hook breaks": "Then 1 is 1",
    "Its hook finds a defect": "Then 1 is 1",
    "Its cleanup breaks": "Given a cleanup that breaks\n    Then 1 is 1",
    "It has no foreign variables": "Then no variable of another program is set",
    "It prints the key": "Then the key is printed",
    "It is looked at": "Then the step is looked at",
    "It calls sys.exit": "Then the step calls sys.exit",
    "It leaves a child process": "Given a child that listens\n    Then 1 is 1",
    "It cleans for long": (
        "Given a child that listens\n    And a cleanup that takes long\n    Then the step waits long"
    ),
    "It passes once": "Then this is the first time",
    "It sleeps for ever": "Then the step sleeps for ever",
    "It loops for ever": "Then the step loops for ever",
    "It awaits for ever": "Then the step awaits for ever",
    "It awaits a moment": "Then the step awaits a moment",
    "Its cleanup is async": "Given a cleanup that is not awaited\n    Then 1 is 1",
    "It reads a stream without end": "Then the step reads a stream without end",
    "It never returns from C": "Then the step never returns from C",
    "Its hook hangs": "Then 1 is 1",
    "It is skipped half-way": "Then there is no such route\n    And 1 is 2",
    "It is skipped at its end": "Then there is no such route",
    "It is skipped in turns": "Then there is no such route every other time",
    "It waits": "Given a child that listens\n    Then the step waits long",
}


def feature(name: str, *scenarios: tuple[str, str], tags: str = "") -> str:
    """A feature with several scenarios (title, steps)."""
    blocks = [f"  @normal\n  Scenario: {title}\n    {steps}\n" for title, steps in scenarios]
    return f"{tags}\nFeature: {name}\n\n" + "\n".join(blocks)


OUTLINE = """
Feature: Rows

  Scenario Outline: Row <number> is itself
    Then <number> is <number>

    Examples: Numbers
      | number |
      | 1      |
      | 2      |
      | 3      |
"""
# Suites of several files, by the name of each file.
MANY = {
    "a": feature("A", *((f"A{number} passes", f"Then {number} is {number}") for number in range(4))),
    "b": OUTLINE,
    "c": feature("C", ("C meets D", "Then c meets d")),
    "d": feature("D", ("D meets C", "Then d meets c")),
}
APART = {
    "alone": feature("Alone", ("It runs alone", "Then the interval of alone is recorded"), tags="@serial"),
    **{
        name: feature(name, (f"The {name} one runs", f"Then the interval of {name} is recorded"), tags=tags)
        for name, tags in {"locked": "@lock.gpu", "shut": "@lock.gpu", "free": "", "open": ""}.items()
    },
}


# Each request of a server that hangs runs into its time limit.
def hanging(file: str) -> str:
    scenarios = ((f"It is asked, {file}{number}", "Then a server that hangs answers") for number in range(6))
    return feature(f"Hanging {file}", *scenarios)


HANGING = {"a": hanging("a")}
HANGING_THREE = {name: hanging(name) for name in ("a", "b", "c")}


def dying(step: str) -> dict[str, str]:
    """A file whose second scenario costs the process, and one beside it."""
    scenarios = (
        ("It runs before", "Then 1 is 1"),
        ("Its process ends", f"Then {step}"),
        ("It runs after", "Then 1 is 1"),
    )
    return {
        "a": feature("Dying", *scenarios),
        "b": feature("Beside", ("It runs beside it", "Then the interval of b is recorded")),
    }


ASYNC_HOOK = """\
async def before_scenario(context, scenario):
    raise RuntimeError("never seen")
"""

# Raises in every method that behave calls, its start included when asked (`-D toy.start=true`).
FORMATTER = """\
from behave.formatter.base import Formatter


class Raising(Formatter):
    name = "raising"

    def __init__(self, stream_opener, config):
        super().__init__(stream_opener, config)
        if config.userdata.getbool("toy.start"):
            raise LookupError("no such colour")


def _raise(self, *_):
    raise LookupError("no such colour")


METHODS = ("uri", "feature", "background", "scenario", "step", "match", "result", "eof", "close")
for method in METHODS:
    setattr(Raising, method, _raise)
"""
METHODS = ("uri", "feature", "background", "scenario", "step", "match", "result", "eof", "close")
WITH_BACKGROUND = {
    "a": """\
Feature: With a background

  Background:
    Given 1 is 1

  Scenario: It passes
    Then 2 is 2
"""
}
TWINS = {"a": feature("A", ("It is one", "Then 1 is 1")), "b": feature("B", ("It is one", "Then 1 is 1"))}
UNKNOWN_GROUP = {
    "a": feature("A", ("It is a group", 'When the "malformed body" cases of the OpenAI API are run'))
}
FIRST_FAILS = {
    "a": feature("A", ("It fails", "Then 1 is 2"), ("It is next", "Then 1 is 1")),
    "b": feature("B", ("It is in the next file", "Then 1 is 1")),
}

KNOWN_ISSUES = """\
[[known_issue]]
target = "mistralrs"
versions = ">=9"
scenarios = ["{title}"]
failure = [
    {{ step = "1 is 2", pattern = "^expected 2, got 1$" }},
    {{ step = "after_scenario", pattern = "^the server died$" }},
]
reason = "one is not two here"
source = "https://example.org/issues/1"
"""

PROGRAMS = {
    "good": "#!/bin/sh\necho 'mistralrs 9.9.9'\n",
    "silent": "#!/bin/sh\nexit 0\n",
    # The child would hold the output open if only the shell were ended.
    "hanging": "#!/bin/sh\nsleep 600\n",
}


# Title -> tags beside the severity.
TAGS = {
    title: "@budget.1s"
    for title in SCENARIOS
    if any(words in title for words in ("for ever", "without end", "never returns", "hangs"))
}


def make(
    folder: Path, *titles: str, files: Mapping[str, str] | None = None, known_issue: str | None = None
) -> None:
    """Write the suite with these scenarios (all are known by title) or feature files into a folder."""
    features = folder / "features" / "toy"
    features.mkdir(parents=True)
    for number, title in enumerate(titles):
        tags = f"@normal {TAGS.get(title, '')}".rstrip()
        text = f"Feature: Toy {number}\n\n  {tags}\n  Scenario: {title}\n    {SCENARIOS[title]}\n"
        (features / f"toy{number}.feature").write_text(text)
    for name, text in (files or {}).items():
        (features / f"{name}.feature").write_text(text)
    (folder / "steps").mkdir()
    shutil.copyfile(HERE / "toy_steps_guarded.py", folder / "steps" / "toy.py")
    shutil.copyfile(HERE / "toy_environment_guarded.py", folder / "environment.py")
    (folder / "toy_formatter.py").write_text(FORMATTER)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    if known_issue is not None:
        (folder / "known_issues.toml").write_text(KNOWN_ISSUES.format(title=known_issue))


def program(folder: Path, kind: str, *, executable: bool = True) -> Path:
    """Write a program to test."""
    file = folder / f"program-{kind}"
    file.write_text(PROGRAMS[kind])
    file.chmod(0o755 if executable else 0o644)
    return file

"""The features keep the rules of docs/contributing.md: short, one behaviour each."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.runner import tags
from tests.style.reading import FEATURES, ROOT, Vocabulary, named

pytestmark = pytest.mark.usefixtures("vocabulary")

each_feature = pytest.mark.parametrize("file", FEATURES, ids=named)

# Transport may appear only where it is the behaviour: in features of an API, a protocol, a command line.
TECHNICAL = {
    "an address": re.compile(r"https?://"),
    "JSON": re.compile(r"\{"),
    "a flag": re.compile(r"(?<![\w-])--\w"),
    "a status number": re.compile(r"(?<![\w.])[45]\d\d\b(?!-token)"),
}
TECHNICAL_CAPABILITIES = ("openai_api", "ollama_api", "mcp", "binary_health", "aider")


def place(item: Any) -> str:
    return f"{named(Path(item.filename).resolve())}:{item.line} {item.name!r}"


def lines_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def test_there_are_features() -> None:
    assert FEATURES


@each_feature
def test_file_is_short_and_has_one_feature(file: Path) -> None:
    lines = lines_of(file)
    assert len(lines) < 150
    assert sum(line.strip().startswith("Feature:") for line in lines) == 1
    assert not [line for line in lines if line.strip().startswith("Rule:")]


@each_feature
def test_file_lies_in_the_folder_of_a_capability(file: Path) -> None:
    assert file.parent.parent == ROOT / "features"
    assert re.fullmatch(r"[a-z][a-z0-9_]*\.feature", file.name)


def test_features_open_with_two_or_three_lines(vocabulary: Vocabulary) -> None:
    wrong = [place(feature) for feature in vocabulary.features if len(feature.description) not in (2, 3)]
    assert not wrong


def test_titles_have_four_to_ten_words(vocabulary: Vocabulary) -> None:
    """A placeholder counts as one word."""
    wrong = [
        place(item)
        for item in vocabulary.templates
        if not 4 <= len(re.sub("<[^>]*>", "X", item.name).split()) <= 10
    ]
    assert not wrong


def test_titles_are_unique(vocabulary: Vocabulary) -> None:
    titles = Counter(scenario.name for scenario in vocabulary.scenarios)
    assert not [title for title, times in titles.items() if times > 1]
    features = Counter(feature.name for feature in vocabulary.features)
    assert not [title for title, times in features.items() if times > 1]


def test_titles_are_filled_in(vocabulary: Vocabulary) -> None:
    assert not [place(scenario) for scenario in vocabulary.scenarios if re.search(r"<[^>]*>", scenario.name)]


def test_scenarios_have_three_to_seven_steps(vocabulary: Vocabulary) -> None:
    """With those of the background."""
    assert not [place(item) for item in vocabulary.scenarios if not 3 <= len(list(item.all_steps)) <= 7]


def test_scenarios_go_given_when_then(vocabulary: Vocabulary) -> None:
    """One or more Given, in the background or the scenario; one When; one or more Then."""
    wrong = []
    for scenario in vocabulary.scenarios:
        kinds = "".join(step.step_type[0] for step in scenario.all_steps)
        if not re.fullmatch("g+wt+", kinds):
            wrong.append(f"{place(scenario)}: {kinds}")
    assert not wrong


def test_outlines_have_named_tables_of_at_most_eight_rows(vocabulary: Vocabulary) -> None:
    wrong = []
    for outline in (item for item in vocabulary.templates if item.type == "scenario_outline"):
        wrong += [
            f"{place(outline)}: Examples {table.name!r}"
            for table in outline.examples
            if not table.name or not 1 <= len(table.table.rows) <= 8
        ]
        wrong += [] if outline.examples else [f"{place(outline)}: no Examples"]
    assert not wrong


def test_columns_of_outlines_are_used(vocabulary: Vocabulary) -> None:
    """A column that nobody reads is a comment in the wrong place."""
    unused = []
    for outline in (item for item in vocabulary.templates if item.type == "scenario_outline"):
        written = "\n".join(
            [
                outline.name,
                *(f"{step.name}\n{step.text or ''}\n{cells(step)}" for step in outline.steps),
            ]
        )
        headings = {heading for table in outline.examples for heading in table.table.headings}
        unused += [f"{place(outline)}: {name}" for name in headings if f"<{name}>" not in written]
    assert not unused


def cells(step: Any) -> str:
    return "\n".join("|".join(row.cells) for row in step.table.rows) if step.table else ""


def test_tags_are_known(vocabulary: Vocabulary) -> None:
    items = [*vocabulary.features, *vocabulary.templates]
    items += [table for item in vocabulary.templates for table in getattr(item, "examples", ())]
    wrong = [f"{place(item)}: @{tag}" for item in items for tag in item.tags if not tags.is_allowed(str(tag))]
    assert not wrong


def test_tags_of_the_list_are_used(vocabulary: Vocabulary) -> None:
    """A need that no scenario has is dead. Severities and run classes are words, not promises."""
    used = {str(tag) for scenario in vocabulary.scenarios for tag in scenario.effective_tags}
    assert used >= tags.NEEDS | tags.SAFETY


def test_every_scenario_has_one_severity(vocabulary: Vocabulary) -> None:
    wrong = [
        place(scenario)
        for scenario in vocabulary.scenarios
        if len(tags.SEVERITY.intersection(map(str, scenario.effective_tags))) != 1
    ]
    assert not wrong


@each_feature
def test_transport_stands_only_where_it_is_the_behaviour(file: Path) -> None:
    if file.parent.name in TECHNICAL_CAPABILITIES:
        return
    wrong = [
        f"{named(file)}:{number} names {what}: {line.strip()}"
        for number, line in enumerate(lines_of(file), 1)
        for what, pattern in TECHNICAL.items()
        if pattern.search(line)
    ]
    assert not wrong

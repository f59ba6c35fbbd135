"""Each command of the documents is one: its options exist, and what `acceptance run` selects is there.

No server is started: commands are parsed, and scenarios are listed. tests/runs/test_documented_commands.py
runs them.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click
import pytest

from support.cli import main, run
from tests.style.reading import ROOT
from tests.timeouts import PATIENCE
from tools.kept_files import kept_files

INDENTED = re.compile(r"^ {4,}(\S.*)$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
COMMENT = re.compile(r"\s+#\s.*$")
REDIRECTION = re.compile(r"\s(?:2?>|\||&&|;).*$")
ACCEPTANCE = re.compile(r"^(?:\S+=\S* )*(?:\.venv/bin/|uvx --from \S+ )?acceptance ((?:[a-z]|--).*)$")
MAKE = re.compile(r"^(?:\S+=\S* )*make ([\w-]+)")
# What stands for something of the reader.
PLACEHOLDERS = {
    "HOST:PORT2": "127.0.0.1:2",
    "HOST:PORT": "127.0.0.1:1",
    "HOST:1234": "127.0.0.1:1",
    "[OPTION]...": "",
}
WORDS = {
    "ID": "openai.chat.body.empty",
    "TARGET": "reference",
    "DATE": "2027-03-31",
    "NAME": "ollama",
    "N": "2",
    "URL": "http://127.0.0.1:1",
    "FOLDER": ".",
    "FILE.gguf": "",
}
SHORT = {"-t": "--tags", "-n": "--name"}
FLAGS = {
    name
    for option in run.params
    if isinstance(option, click.Option) and option.is_flag
    for name in option.opts
}
# In the place of a server that is not there.
LISTED = ("--list", "--target", "reference")


@dataclass(frozen=True)
class Selection:
    """Of a command: what it names of each kind."""

    paths: tuple[str, ...]
    tags: tuple[str, ...]
    titles: tuple[str, ...]
    cases: tuple[str, ...]


def documented(*kinds: re.Pattern[str]) -> list[str]:
    """Each line of code and each code in a sentence, or one kind of them, without comments.

    A continued line is one."""
    found: set[str] = set()
    for document in (file for file in kept_files() if file.suffix == ".md"):
        text = document.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in (line for kind in kinds or (INDENTED, INLINE) for line in kind.findall(text)):
            found.add(REDIRECTION.sub("", COMMENT.sub("", line)))
    return sorted(found)


def arguments(command: str) -> list[str] | None:
    """Of `acceptance`; None for another command, and for the mere name of one."""
    match = ACCEPTANCE.match(command)
    if match is None or "{" in command:
        return None
    line = match[1]
    for placeholder, value in PLACEHOLDERS.items():
        line = line.replace(placeholder, value)
    return [WORDS.get(word, word) for word in shlex.split(line)]


COMMANDS = [words for command in documented() if (words := arguments(command))]
RUNS = [words[1:] for words in COMMANDS if words[0] == "run"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command_exists_with_its_options(words: Sequence[str]) -> None:
    if words[0].startswith("-"):
        assert words in (["--version"], ["--help"])
        return
    with click.Context(main) as context:
        command = main.get_command(context, words[0])
        assert command is not None, words
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        if len(words) == 1:
            # Alone in a sentence it is a name, without the arguments that it needs.
            return
        if len(words) == 2 and words[1].startswith("-"):
            # A name with an option, without its value.
            assert words[1] in options
            return
        command.make_context(words[0], list(words[1:]), parent=context)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 50
    assert len(RUNS) > 20


def selection(words: Sequence[str]) -> Selection:
    """What decides which scenarios are run."""
    found: dict[str, list[str]] = {"": [], "--tags": [], "--name": [], "--case": []}
    rest = list(words)
    while rest:
        word = SHORT.get(rest[0], rest[0])
        if word in found:
            found[word].append(rest[1])
        elif not word.startswith("-"):
            found[""].append(word)
        takes_value = word.startswith("-") and word not in FLAGS
        rest = rest[2 if takes_value else 1 :]
    return Selection(*(tuple(values) for values in found.values()))


def commands_that_select(selections: Iterable[Selection]) -> list[list[str]]:
    """Few that name all: an unknown path, case or tag is an error, an unknown title lists nothing."""
    found = set(selections)
    titles = {(one.paths, one.tags, title) for one in found for title in one.titles}
    return [
        [*{path for one in found for path in one.paths}],
        [word for case in {case for one in found for case in one.cases} for word in ("--case", case)],
        *(["--tags", tag] for tag in {tag for one in found for tag in one.tags}),
        *([*paths, *(f"--tags={tag}" for tag in tags), "--name", title] for paths, tags, title in titles),
    ]


def test_what_a_run_selects_is_there() -> None:
    """All in one process: its start takes longer than a list."""
    code = (
        "import sys, json\n"
        "from click.testing import CliRunner\n"
        "from support.cli import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    done = CliRunner().invoke(main, ['run', *words])\n"
        "    print(json.dumps([words, done.exit_code, done.output[-300:]]))\n"
    )
    commands = [[*words, *LISTED] for words in commands_that_select(map(selection, RUNS))]
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=10 * PATIENCE,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(commands)
    assert not [one for one in found if one[1] != 0 or not one[2].strip()]


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {match[1] for command in documented() if (match := MAKE.match(command))}
    assert named
    assert named <= targets

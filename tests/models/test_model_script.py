"""Reading a script, refusing a bad one, and which row answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.models.script import Row, Script, ScriptError
from tests.models.scripts import row_of, script_of


def test_the_standard_script_is_large_enough_and_names_every_shape() -> None:
    script = Script.standard()
    assert 20 <= len(script.rows) <= 40
    assert [row.keyword for row in script.rows if row.loop] == ["forever"]
    assert {"lighthouse", "story", "unicode", "snippet", "invoice", "called", "mara", "pirate"} <= {
        row.keyword for row in script.rows
    }
    assert row_of(script, "story").answer.count(". ") >= 60


@pytest.mark.parametrize(
    ("conversation", "marker"),
    [
        ("", ""),
        ("what about the weather-beaten lighthouse?", "weather"),
        ("Lighthouse, please", "lighthouse"),
        ("lighthouses", ""),
        ("pirate first, then the lighthouse", "pirate"),
        ("the lighthouse first, then a pirate", "pirate"),
        ("(story)", "story"),
        ("LIGHTHOUSE", ""),
    ],
)
def test_the_later_row_wins_by_whole_words(conversation: str, marker: str) -> None:
    assert Script.standard().answer_to(conversation).keyword == marker


@pytest.mark.parametrize(
    ("rows", "default", "complaint"),
    [
        ([], " \n", "the script's default is empty"),
        ([("apple", "")], "Hm.", r"row 1 \(marker 'apple'\): the answer is empty"),
        ([("apple", "A."), ("apple", "B.")], "Hm.", "row 2 .* row 1 has the same marker: keep one"),
        ([("Apple", "A.")], "Hm.", "one plain word of 3 to 24 lower-case letters"),
        ([("two words", "A.")], "Hm.", "one plain word"),
        ([("käse", "A.")], "Hm.", "one plain word"),
        ([("ab", "A.")], "Hm.", "one plain word"),
    ],
)
def test_a_bad_table_is_refused_with_one_line(
    rows: list[tuple[str, str]], default: str, complaint: str
) -> None:
    with pytest.raises(ScriptError, match=complaint) as caught:
        script_of(default, rows)
    assert "\n" not in str(caught.value)


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'default = "Hm."\n[[rows]]\nmarker = "apple"\nanswer = "Red.\\n"\n'
        '[[rows]]\nmarker = "again"\nanswer = "la "\nloop = true\n',
        encoding="utf-8",
    )
    assert Script.load(path) == Script((Row("apple", "Red.\n"), Row("again", "la ", loop=True)), "Hm.")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("default = ", "cannot be read as a script"),
        ('rows = "none"\ndefault = "Hm."', "write each row as"),
        ("[[rows]]\nmarker = 'apple'\nanswer = 'A.'", "no 'default'"),
        ("default = 'Hm.'\nturns = 1", "unknown key 'turns'"),
        ("default = 'Hm.'\n[[rows]]\nmarker = 'apple'", "row 1: marker and answer"),
        ("default = 'Hm.'\n[[rows]]\nmarker = 'apple'\nanswer = 'A.'\nrepeat = true", "row 1: only marker"),
        ("default = 'Hm.'\n[[rows]]\nmarker = 'apple'\nanswer = ''", "the answer is empty"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScriptError, match=complaint) as caught:
        Script.load(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_a_script_error(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="cannot be read"):
        Script.load(tmp_path / "none.toml")


def test_the_digest_follows_the_content() -> None:
    one, same, other = (script_of("Hm.", [("apple", text)]) for text in ("A.", "A.", "B."))
    assert one.digest == same.digest != other.digest

"""Lists of tool servers that a target has to refuse."""

from __future__ import annotations

from pathlib import Path

# By the words of the features. None: there is no such file.
CONTENTS: dict[str, str | None] = {
    "missing": None,
    "no JSON": "servers: desk",
    "without servers": '{"auto_register_tools": true}',
    "of an unknown kind": '{"servers": [{"source": {"type": "Pigeon"}}], "auto_register_tools": true}',
}


def configuration(what: str, folder: Path) -> Path:
    """The file, written into the folder unless it has to be missing."""
    file, content = folder / f"tool-servers-{what.replace(' ', '-')}.json", CONTENTS[what]
    if content is not None:
        file.write_text(content, encoding="utf-8")
    return file

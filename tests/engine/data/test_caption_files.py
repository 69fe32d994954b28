"""Captions are written to their files, or refused for a reason; what was there before is kept."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from lora_workbench.engine.core import storage
from lora_workbench.engine.data.caption_files import WrittenCaptions, plan_captions, write_planned
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.joining import joined
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from PIL import Image


def made(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (16, 16), (number * 20, 60, len(folder.name))).save(folder / name)
    return folder


def captioned(folder: Path, count: int = 3) -> Path:
    made(folder, *(f"{number}.png" for number in range(count)))
    for number in range(count):
        (folder / f"{number}.txt").write_text(f"old {number}\n", encoding="utf-8")
    return folder


def written(
    dataset: Dataset, captions: dict[str, str], folder: Path, ours: dict[str, str] | None = None
) -> WrittenCaptions:
    ours = {} if ours is None else ours
    plan = plan_captions(dataset, captions, [folder], ours)
    return write_planned(plan, folder / "backups", ours)


def why(dataset: Dataset, name: str, folder: Path) -> str:
    """Why a caption is refused; no file may have changed."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = written(dataset, {name: "new"}, folder)
    assert not told.written
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return told.refused[name]


def test_captions_are_written_and_the_old_files_kept(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "fox")
    os.chmod(folder / "0.txt", 0o664)
    dataset = load_dataset(folder).with_captions(["shown otherwise"] * 3)
    told = written(dataset, {"0.png": " new: fox ", "1.png": "old 1", "2.png": ""}, tmp_path)
    assert told.written == ("0.png", "2.png") and not told.refused
    assert [(folder / f"{number}.txt").read_text() for number in range(3)] == ["new: fox\n", "old 1\n", ""]
    assert (folder / "0.txt").stat().st_mode & 0o777 == 0o664
    assert [copy.read_text() for copy in told.backups] == ["old 0\n", "old 2\n"]
    assert {copy.name for copy in told.backups} == {"0.txt", "2.txt"}
    assert [record.caption for record in load_dataset(folder)] == ["new: fox", "old 1", None]


def test_it_can_be_written_again_and_every_version_is_kept(tmp_path: Path) -> None:
    dataset, ours = load_dataset(captioned(tmp_path / "fox")), {}
    first = written(dataset, {"0.png": "one"}, tmp_path, ours)
    second = written(dataset, {"0.png": "two"}, tmp_path, ours)
    assert (tmp_path / "fox" / "0.txt").read_text() == "two\n"
    assert [path.read_text() for path in (*first.backups, *second.backups)] == ["old 0\n", "one\n"]


def test_pictures_without_a_caption_get_a_file(tmp_path: Path) -> None:
    folder = made(tmp_path / "fox", "a.b.png", "blank.png", "none.png")
    (folder / "blank.caption").write_text(" \n")
    told = written(load_dataset(folder), {"a.b.png": "x", "blank.png": "y", "none.png": ""}, tmp_path)
    assert told.written == ("a.b.png", "blank.png")
    assert (folder / "a.b.txt").read_text() == "x" and (folder / "blank.caption").read_text() == "y\n"
    assert not (folder / "none.txt").exists()


def test_joined_data_sets_are_written_where_they_are(tmp_path: Path) -> None:
    for name, size in (("cat", 16), ("horse", 17)):
        Image.new("RGB", (size, size)).save(captioned(tmp_path / name / "set", 1) / "0.png")
    dataset = joined([load_dataset(tmp_path / name / "set") for name in ("cat", "horse")])
    told = written(dataset, {"set 2/0.png": "a horse", "set/0.png": "a cat"}, tmp_path)
    assert (tmp_path / "horse" / "set" / "0.txt").read_text() == "a horse\n"
    assert (tmp_path / "cat" / "set" / "0.txt").read_text() == "a cat\n"
    assert len({copy.parent for copy in told.backups}) == 2


def test_utf_16_becomes_utf_8(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "fox", 1)
    (folder / "0.txt").write_bytes("ein Fuchs im Schnee".encode("utf-16"))
    dataset = load_dataset(folder)
    assert plan_captions(dataset, {"0.png": "ein Fuchs im Schnee"}, [tmp_path], {}).unchanged == ("0.png",)
    written(dataset, {"0.png": "Füchse"}, tmp_path)
    assert (folder / "0.txt").read_bytes() == "Füchse".encode()


def test_what_has_changed_since_is_left_alone(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "fox")
    made(folder, "new.png")
    dataset = load_dataset(folder)
    (folder / "0.txt").write_text("by somebody else")
    (folder / "1.txt").unlink()
    (folder / "new.txt").write_text("by somebody else")
    assert "has changed since the pictures were shown" in why(dataset, "0.png", tmp_path)
    assert "is gone since the pictures were shown" in why(dataset, "1.png", tmp_path)
    assert "was made since the pictures were shown" in why(dataset, "new.png", tmp_path)


def test_what_changes_at_the_last_moment_is_left_alone(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "fox")
    plan = plan_captions(load_dataset(folder), {"0.png": "x"}, [tmp_path], {})
    (folder / "0.txt").write_text("by somebody else")
    told = write_planned(plan, tmp_path / "backups", {})
    assert "has changed just now" in told.refused["0.png"]
    assert (folder / "0.txt").read_text() == "by somebody else"


def test_other_sources_are_refused(tmp_path: Path) -> None:
    folder = made(tmp_path / "table", "0.png", "a red fox.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "of a table"}\n')
    dataset = load_dataset(folder, uncaptioned="file name")
    assert "comes from metadata.jsonl, line 1" in why(dataset, "0.png", tmp_path)
    assert "comes from its file's name" in why(dataset, "a red fox.png", tmp_path)
    captioned(tmp_path / "fox", 1)
    with zipfile.ZipFile(tmp_path / "fox.zip", "w") as archive:
        for name in ("0.png", "0.txt"):
            archive.write(tmp_path / "fox" / name, name)
    assert why(load_dataset(tmp_path / "fox.zip"), "0.png", tmp_path) == "it is in the archive fox.zip"
    memory = dataset_from_images([Image.new("RGB", (9, 9))], ["x"], "memory")
    assert why(memory, "image_0001.png", tmp_path) == "it is no file on disk"
    assert why(memory, "nobody.png", tmp_path) == "the data set has no such picture"


def test_a_file_of_two_pictures_is_refused(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "fox", 1)
    Image.new("RGB", (9, 9)).save(folder / "0.jpg")
    assert "0.txt, is that of another picture too" in why(load_dataset(folder), "0.png", tmp_path)


def test_read_only_files_and_links_are_refused(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "fox")
    (tmp_path / "elsewhere.txt").write_text("linked")
    (folder / "1.txt").unlink()
    (folder / "1.txt").symlink_to(tmp_path / "elsewhere.txt")
    os.chmod(folder / "0.txt", 0o444)
    dataset = load_dataset(folder)
    assert "0.txt, is read-only" in why(dataset, "0.png", tmp_path)
    assert "1.txt, is a link" in why(dataset, "1.png", tmp_path)


def test_nothing_is_written_outside_of_the_folders(tmp_path: Path) -> None:
    outside = captioned(tmp_path / "outside")
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "fox").symlink_to(outside)
    for dataset in (load_dataset(outside), load_dataset(tmp_path / "input" / "fox")):
        told = written(dataset, {"0.png": "new"}, tmp_path / "input")
        assert "outside of the folders for data sets" in told.refused["0.png"]
    assert (outside / "0.txt").read_text() == "old 0\n"


@pytest.mark.parametrize("caption", ["\ud800", "a\0b", "x" * 30_000])
def test_what_could_not_be_read_back_is_refused(tmp_path: Path, caption: str) -> None:
    told = written(load_dataset(captioned(tmp_path / "fox")), {"0.png": caption, "1.png": "x"}, tmp_path)
    assert list(told.refused) == ["0.png"] and told.written == ("1.png",)


def test_a_full_disk_leaves_every_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = captioned(tmp_path / "fox")
    dataset = load_dataset(folder)
    real, left = os.fsync, [3]

    def full(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(storage.os, "fsync", full)
    told = written(dataset, {f"{number}.png": "new" for number in range(3)}, tmp_path)
    assert told.written == ("0.png",)
    assert all("No space left" in told.refused[f"{number}.png"] for number in (1, 2))
    assert [(folder / f"{number}.txt").read_text() for number in range(3)] == ["new\n", "old 1\n", "old 2\n"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [f"{n}.{end}" for n in range(3) for end in ("png", "txt")]
    )

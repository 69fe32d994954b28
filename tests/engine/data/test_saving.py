"""What is saved comes back: pictures to the byte, captions, repeats and masks, whatever they are called."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from generators import result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import DatasetError, StorageError
from lora_workbench.engine.core.hashing import bytes_hash
from lora_workbench.engine.data.dataset import Dataset, ImageRecord, TriggerWord
from lora_workbench.engine.data.layouts import LAYOUTS
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.masks import Mask
from lora_workbench.engine.data.saving import save_dataset
from lora_workbench.engine.data.sources import FileSource, MemorySource
from PIL import Image

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.characters(codec="utf-8", exclude_characters="\0")
NAMES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=9), min_size=1,
                 max_size=3).map("/".join)  # fmt: skip
ENDINGS = st.sampled_from([".png", ".PNG", ".jpg", ".webp", ".bmp"])
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}
STRIPPED = st.text(TEXT, max_size=20).map(lambda text: text.strip() or None)
CAPTIONS = st.none() | STRIPPED | st.just('two lines\nof, "text"')


def encoded(number: int, ending: str = ".png", size: tuple[int, int] = (6, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (number % 256, number // 256, 90)).save(buffer, FORMATS[ending.lower()])
    return buffer.getvalue()


def mask_of(data: bytes, name: str = "m.png") -> Mask:
    return Mask(source=MemorySource(name, data), content_hash=bytes_hash(data))


@st.composite
def records(draw: st.DrawFn) -> tuple[ImageRecord, ...]:
    made = []
    for number, (name, ending) in enumerate(draw(st.lists(st.tuples(NAMES, ENDINGS), min_size=1, max_size=6))):
        data = encoded(number, ending)
        made.append(
            ImageRecord(
                source=MemorySource(name + ending, data), content_hash=bytes_hash(data), width=6, height=4,
                caption=draw(CAPTIONS), repeats=draw(st.integers(1, 12)),
                mask=draw(st.sampled_from([None, mask_of(encoded(300 + number, ".bmp"), "m.bmp")])),
            )
        )  # fmt: skip
    return tuple(made)


def known(dataset: Dataset) -> Counter:
    """What mustn't be lost, whatever the files are called."""
    return Counter((r.source.read(), r.caption, r.repeats, r.mask and r.mask.source.read()) for r in dataset)


def shown(dataset: Dataset) -> Counter:
    """How often an epoch shows each picture with its caption."""
    views: Counter = Counter()
    for record in dataset:
        views[record.source.read(), record.caption] += record.repeats
    return views


@SETTINGS
@given(records=records(), layout=st.sampled_from(["kohya", "diffusers"]), trigger=st.booleans())
def test_folders_lose_nothing(records, layout, trigger, tmp_path_factory):
    trigger = TriggerWord(word="o/h:wx", class_word="dog") if trigger else None
    dataset = Dataset(name="a set", records=records, trigger=trigger)
    path = tmp_path_factory.mktemp("saved") / "set"
    saved = result(save_dataset(dataset, path, layout))
    loaded = load_dataset(saved.path, on_unreadable="refuse")
    assert known(loaded) == known(dataset)
    assert loaded.skipped == ()


@SETTINGS
@given(records=records(), layout=st.sampled_from(["replicate", "fal"]))
def test_archives_keep_pictures_captions_and_how_often_each_is_shown(records, layout, tmp_path_factory):
    dataset = Dataset(name="a set", records=tuple(replace(r, mask=None) for r in records))
    saved = result(save_dataset(dataset, tmp_path_factory.mktemp("saved") / "set", layout))
    loaded = load_dataset(saved.path, on_unreadable="refuse")
    assert loaded.skipped == ()
    before, after = shown(dataset), shown(loaded)
    assert before.keys() == after.keys()
    assert len({before[key] / after[key] for key in before}) == 1
    with zipfile.ZipFile(saved.path) as archive:
        assert not [name for name in archive.namelist() if "/" in name]


@pytest.fixture
def dataset() -> Dataset:
    """Three pictures that differ in everything."""
    made = []
    for number, (name, repeats) in enumerate([("sub/fox.png", 10), ("fox.jpg", 1), ("tail_mask.png", 1)]):
        data = encoded(number, name[-4:])
        made.append(
            ImageRecord(
                source=MemorySource(name, data), content_hash=bytes_hash(data), width=6, height=4, repeats=repeats,
                caption=f"a fox, {number}" if number else None, mask=mask_of(encoded(77)) if number == 1 else None,
            )
        )  # fmt: skip
    return Dataset(name="foxes", records=tuple(made), trigger=TriggerWord(word="zwx", class_word="fox"))


def files(path: Path) -> list[str]:
    if path.is_dir():
        return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.namelist())


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("kohya", ["10_zwx fox/fox.png", "1_zwx fox/fox_2.jpg", "1_zwx fox/fox_2.txt",
                   "1_zwx fox/tail_mask_picture.png", "1_zwx fox/tail_mask_picture.txt",
                   "masks/1_zwx fox/fox_2.png"]),
        ("diffusers", ["10_foxes/fox.png", "fox_2.jpg", "masks/fox_2.png", "metadata.jsonl", "tail_mask_picture.png"]),
        ("replicate", [*sorted(["fox.png", *(f"fox_{n}.png" for n in range(2, 11))]), "fox_11.jpg", "fox_11.txt",
                       "tail_mask_picture.png", "tail_mask_picture.txt"]),
        ("fal", [*sorted(["fox.png", *(f"fox_{n}.png" for n in range(2, 11))]), "fox_11.jpg", "fox_11.txt",
                 "fox_11_mask.jpg", "tail_mask_picture.png", "tail_mask_picture.txt"]),
    ],
)  # fmt: skip
def test_each_layout_has_its_files(dataset, tmp_path, layout, expected):
    saved = result(save_dataset(dataset, tmp_path / "foxes", layout))
    assert files(saved.path) == sorted(expected)
    assert set(saved.files) == ({saved.path} if saved.path.is_file() else {saved.path / name for name in expected})


def test_metadata_is_what_imagefolder_reads(dataset, tmp_path):
    path = result(save_dataset(dataset, tmp_path / "foxes", "diffusers")).path
    rows = [json.loads(line) for line in (path / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[0] == {"file_name": "10_foxes/fox.png", "text": "", "mask_file_name": None}
    assert rows[1] == {"file_name": "fox_2.jpg", "text": "a fox, 1", "mask_file_name": "masks/fox_2.png"}


def test_a_mask_in_the_transparency_becomes_a_file(tmp_path):
    clear = Image.new("RGBA", (6, 4), (9, 9, 9, 40))
    clear.putpixel((0, 0), (1, 2, 3, 255))
    buffer = io.BytesIO()
    clear.save(buffer, "PNG")
    source, key = MemorySource("a.png", buffer.getvalue()), bytes_hash(buffer.getvalue())
    mask = Mask(source=source, content_hash=key, channel="alpha")
    record = ImageRecord(source=source, content_hash=key, width=6, height=4, mask=mask)
    saved = result(save_dataset(Dataset(name="x", records=(record,)), tmp_path / "x", "kohya"))
    loaded = load_dataset(saved.path).records[0].mask
    assert loaded is not None
    assert loaded.load().tobytes()[:2] == bytes([255, 40])


def test_another_set_is_never_replaced_and_the_same_is_not_written_twice(dataset, tmp_path):
    for layout, second in (("kohya", "foxes_00002"), ("replicate", "foxes_00002.zip")):
        first = result(save_dataset(dataset, tmp_path / "foxes", layout)).path
        before = {name: first.stat().st_mtime_ns for name in files(first)}
        assert result(save_dataset(dataset, tmp_path / "foxes", layout)).path == first
        other = dataset.with_captions(["x", "y", "z"])
        assert result(save_dataset(other, tmp_path / "foxes", layout)).path.name == second
        assert {name: first.stat().st_mtime_ns for name in files(first)} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foxes", "foxes.zip", "foxes_00002", "foxes_00002.zip"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_fails_or_is_stopped_leaves_nothing(dataset, tmp_path, layout):
    gone = replace(dataset.records[2], source=FileSource(tmp_path, "gone.png"))
    with pytest.raises(DatasetError, match=r"gone\.png"):
        result(save_dataset(replace(dataset, records=(*dataset.records[:2], gone)), tmp_path / "foxes", layout))
    events = save_dataset(dataset, tmp_path / "foxes", layout)
    next(events)
    events.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported(dataset, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="could not be written"):
        result(save_dataset(dataset, tmp_path / "file" / "foxes", "kohya"))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"caption": "a\0b"}, "its caption"), ({"caption": "\ud800"}, "its caption"), ({"repeats": 1001}, "1001 repeats")],
)
def test_what_a_layout_cannot_say_is_refused_by_name(dataset, tmp_path, change, said):
    wrong = replace(dataset, records=(dataset.records[0], replace(dataset.records[1], **change)))
    with pytest.raises(DatasetError, match=f"fox.jpg: {said}"):
        result(save_dataset(wrong, tmp_path / "foxes", "kohya"))
    assert not (tmp_path / "foxes").exists()


def test_the_user_is_reported_what_a_trainer_will_miss(dataset, tmp_path):
    notes = result(save_dataset(dataset, tmp_path / "foxes", "replicate")).notes
    assert [word for word in ("Without a caption: 1", "10 or more", "more than once", "1 were left out") if not
            any(word in note for note in notes)] == []  # fmt: skip

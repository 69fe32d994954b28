"""What is saved comes back as it was shown: pixels, captions, repeats and masks, whatever the files hold."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from generators import result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import DatasetError, StorageError
from lora_workbench.engine.core.hashing import bytes_hash
from lora_workbench.engine.data.dataset import Dataset, ImageRecord, TriggerWord
from lora_workbench.engine.data.layouts import LAYOUTS, ONE_LINE, one_line
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.masks import Mask
from lora_workbench.engine.data.saving import save_dataset
from lora_workbench.engine.data.sources import FileSource, MemorySource
from lora_workbench.engine.data.views import Augmentation, Crop
from odd_pictures import MAKERS, files, foxes, masks, record_of
from PIL import Image

SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.characters(codec="utf-8", exclude_characters="\0")
SPECIAL = st.sampled_from([
    "fox mask", "fox_mask_1", "fox (mask)", "masks fox",
    "masks", "mask", "reg", "sample", "class", "CON", "aux.x", "~$fox", ".hidden", "fox_mask", "fox-masklabel", "2",
    "mask_fox", "fox", "fox-condlabel", "fox.mask", "metadata", "captions", "Thumbs", "1_fox", "2024_05_06", "OHWX",
    "fox\r", " ",
])  # fmt: skip
PART = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=9) | SPECIAL
NAMES = st.lists(PART, min_size=1, max_size=3).map("/".join)
STRIPPED = st.text(TEXT, max_size=20).map(lambda text: text.strip() or None)
CAPTIONS = st.none() | STRIPPED | st.just('two lines\nof, "text"') | st.just("tags,\r\nmore tags, \n\nand more")


@st.composite
def records(draw: st.DrawFn) -> tuple[ImageRecord, ...]:
    made = []
    for number, name in enumerate(draw(st.lists(NAMES, min_size=1, max_size=5))):
        ending, make = MAKERS[draw(st.sampled_from(sorted(MAKERS)))]
        record = record_of(name + ending, make(number), caption=draw(CAPTIONS), repeats=draw(st.integers(1, 120)))
        mask = draw(st.sampled_from(masks(number, (record.width, record.height))))
        made.append(replace(record, mask=mask))
    return tuple(made)


def seen(record: ImageRecord) -> tuple[tuple[int, int], bytes]:
    image = record.load()
    return image.size, image.tobytes()


def without_looking(record: ImageRecord) -> tuple[tuple[int, int], bytes]:
    """What a program sees that knows nothing of EXIF, color profiles or transparency."""
    image = Image.open(io.BytesIO(record.source.read())).convert("RGB")
    return image.size, image.tobytes()


def caption_of(record: ImageRecord, layout: str) -> str | None:
    """As it is saved, and stripped as readers do."""
    text = (one_line(record.caption or "") if layout in ONE_LINE else record.caption or "").strip()
    return text or None


def everything(dataset: Dataset, layout: str, look: Any) -> Counter:
    """What mustn't be lost, whatever the files are called."""
    return Counter((look(r), caption_of(r, layout), r.repeats, r.mask and r.mask.load().tobytes()) for r in dataset)


def as_often(dataset: Dataset, layout: str, look: Any) -> Counter:
    """How often an epoch shows each picture with its caption."""
    views: Counter = Counter()
    for record in dataset:
        views[look(record), caption_of(record, layout)] += record.repeats
    return views


@SETTINGS
@given(records=records(), layout=st.sampled_from(["kohya", "diffusers"]), concept=st.none() | PART)
def test_folders_lose_nothing(records, layout, concept, tmp_path_factory):
    trigger = TriggerWord(word=concept, class_word="") if concept else None
    dataset = Dataset(name=concept or "a set", records=records, trigger=trigger)
    path = tmp_path_factory.mktemp("saved") / "set"
    saved = result(save_dataset(dataset, path, layout))
    loaded = load_dataset(saved.path, on_unreadable="refuse")
    assert loaded.skipped == ()
    expected = everything(dataset, layout, seen)
    assert everything(loaded, layout, seen) == everything(loaded, layout, without_looking) == expected
    assert all(file.suffix == file.suffix.lower() for file in saved.files)
    assert len(saved.files) == len(set(saved.files))


@SETTINGS
@given(records=records(), layout=st.sampled_from(["replicate", "fal"]))
def test_archives_keep_pictures_captions_and_how_often_each_is_shown(records, layout, tmp_path_factory):
    dataset = Dataset(name="a set", records=tuple(replace(r, mask=None, repeats=1 + r.repeats % 12) for r in records))
    saved = result(save_dataset(dataset, tmp_path_factory.mktemp("saved") / "set", layout))
    loaded = load_dataset(saved.path, on_unreadable="refuse")
    assert loaded.skipped == ()
    before, after = as_often(dataset, layout, seen), as_often(loaded, layout, without_looking)
    assert before.keys() == after.keys()
    assert len({before[key] / after[key] for key in before}) == 1
    with zipfile.ZipFile(saved.path) as archive:
        assert not [name for name in archive.namelist() if "/" in name]


@SETTINGS
@given(records=records(), layout=st.sampled_from(["kohya", "diffusers"]), variants=st.booleans(), data=st.data())
def test_crops_and_variants_are_what_is_trained_on(records, layout, variants, data, tmp_path_factory):
    changes = Augmentation(flip=True, crop=0.2, color=0.1, count=3)
    records = tuple(
        replace(record, crops=data.draw(crops(record.width, record.height)), augmentation=changes) for record in records
    )
    dataset = Dataset(name="a set", records=records)
    pictures = "crops and variants" if variants else "crops"
    saved = result(save_dataset(dataset, tmp_path_factory.mktemp("saved") / "set", layout, pictures))
    loaded = load_dataset(saved.path, on_unreadable="refuse")
    expected: Counter = Counter()
    for record in records:
        for views in record.views(8):
            for view in views if variants else views[:1]:
                image, mask = view.of(record.load()), None
                if record.mask:
                    mask = view.of_mask(record.mask.load(), (record.width, record.height), view.crop.size).tobytes()
                key = ((image.size, image.tobytes()), caption_of(record, layout), record.repeats, mask)
                expected[key] += 1
    assert everything(loaded, layout, seen) == expected


@st.composite
def crops(draw: st.DrawFn, width: int, height: int) -> tuple[Crop, ...]:
    made = []
    for size in draw(st.lists(st.sampled_from([(8, 8), (16, 8), (8, 24)]), min_size=1, max_size=2, unique=True)):
        left, top = draw(st.floats(0, width - 1)), draw(st.floats(0, height - 1))
        made.append(Crop(box=(left, top, min(left + 2.5, width), min(top + 1.5, height)), size=size))
    return tuple(made)


@pytest.fixture
def dataset() -> Dataset:
    return foxes()


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

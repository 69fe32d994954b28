"""What is saved comes back as it was shown: pixels, captions, repeats and masks, whatever the files hold."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generators import result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import DatasetError, StorageError
from lora_workbench.engine.core.hashing import bytes_hash
from lora_workbench.engine.data.dataset import Dataset, ImageRecord, TriggerWord
from lora_workbench.engine.data.exporting import PICTURES
from lora_workbench.engine.data.images import probe
from lora_workbench.engine.data.layouts import LAYOUTS, ONE_LINE, one_line
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.masks import Mask
from lora_workbench.engine.data.saving import save_dataset
from lora_workbench.engine.data.sources import FileSource, MemorySource
from lora_workbench.engine.data.views import Augmentation, Crop
from PIL import Image, ImageCms

SETTINGS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.characters(codec="utf-8", exclude_characters="\0")
SPECIAL = st.sampled_from([
    "masks", "mask", "reg", "sample", "class", "CON", "aux.x", "~$fox", ".hidden", "fox_mask", "fox-masklabel",
    "fox-condlabel", "fox.mask", "metadata", "captions", "Thumbs", "1_fox", "2024_05_06", "OHWX", "fox\r", " ",
])  # fmt: skip
PART = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=9) | SPECIAL
NAMES = st.lists(PART, min_size=1, max_size=3).map("/".join)
STRIPPED = st.text(TEXT, max_size=20).map(lambda text: text.strip() or None)
CAPTIONS = st.none() | STRIPPED | st.just('two lines\nof, "text"') | st.just("tags,\r\nmore tags, \n\nand more")


def pixels(number: int, size: tuple[int, int] = (6, 4), channels: int = 3) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (size[1], size[0], channels), np.uint8)


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def picture(number: int, file_format: str = "PNG", **options: Any) -> bytes:
    return encoded(Image.fromarray(pixels(number)), file_format, **options)


def turned(number: int, orientation: int, file_format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(number, file_format, exif=exif)


def with_16_bits(number: int) -> bytes:
    return encoded(Image.fromarray(pixels(number, channels=1)[..., 0].astype(np.uint16) * 257), "PNG")


def with_swapped_primaries(number: int, file_format: str) -> bytes:
    """Red as green and green as red, by a color profile."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    return picture(number, file_format, icc_profile=swapped)


def animated(number: int, file_format: str) -> bytes:
    frames = [Image.fromarray(pixels(number + more)) for more in range(2)]
    return encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **LOSSLESS.get(file_format, {}))


LOSSLESS = {"WEBP": {"lossless": True}}
MAKERS = {
    "PNG": (".png", picture),
    "called by another ending": (".jpg", picture),
    "JPEG": (".JPG", lambda n: picture(n, "JPEG")),
    "WebP": (".WebP", lambda n: picture(n, "WEBP", lossless=True)),
    "BMP": (".bmp", lambda n: picture(n, "BMP")),
    "GIF": (".gif", lambda n: animated(n, "GIF")),
    "animated WebP": (".webp", lambda n: animated(n, "WEBP")),
    "TIFF": (".TIF", lambda n: turned(n, 3, "TIFF")),
    "gray": (".jpeg", lambda n: encoded(Image.fromarray(pixels(n)).convert("L"), "JPEG")),
    "palette": (".png", lambda n: encoded(Image.fromarray(pixels(n)).convert("P"), "PNG")),
    "clear color": (".png", lambda n: encoded(Image.fromarray(pixels(n)).convert("P"), "PNG", transparency=0)),
    "transparent": (".png", lambda n: encoded(Image.fromarray(pixels(n, channels=4)), "PNG")),
    "transparent WebP": (".webp", lambda n: encoded(Image.fromarray(pixels(n, channels=4)), "WEBP", lossless=True)),
    "opaque": (".png", lambda n: encoded(Image.fromarray(pixels(n)).convert("RGBA"), "PNG")),
    "gray and transparent": (".PNG", lambda n: encoded(Image.fromarray(pixels(n, channels=4)).convert("LA"), "PNG")),
    "CMYK": (".jpg", lambda n: encoded(Image.fromarray(pixels(n)).convert("CMYK"), "JPEG")),
    "16 bits": (".png", with_16_bits),
    "profile": (".png", lambda n: with_swapped_primaries(n, "PNG")),
    "profile in JPEG": (".jpg", lambda n: with_swapped_primaries(n, "JPEG")),
    **{f"turned {way}": (".jpg", lambda n, way=way: turned(n, way)) for way in range(1, 9)},
    "turned PNG": (".png", lambda n: turned(n, 6, "PNG")),
}


def mask_of(data: bytes, name: str = "m.png", **more: Any) -> Mask:
    return Mask(source=MemorySource(name, data), content_hash=bytes_hash(data), **more)


def masks(number: int, size: tuple[int, int]) -> list[Mask | None]:
    gray = Image.fromarray(pixels(number, size, 1)[..., 0])
    exif = Image.Exif()
    exif[0x0112] = 3
    return [
        None,
        mask_of(encoded(gray, "PNG")),
        mask_of(encoded(gray, "BMP"), "m.bmp", floor=0.3),
        mask_of(encoded(gray.convert("RGB"), "PNG"), floor=0.5),
        mask_of(encoded(gray, "PNG", exif=exif)),
        mask_of(encoded(Image.merge("LA", (gray, gray)), "PNG"), channel="alpha"),
    ]


def record_of(name: str, data: bytes, **more: Any) -> ImageRecord:
    width, height = probe(data, name)
    return ImageRecord(
        source=MemorySource(name, data), content_hash=bytes_hash(data), width=width, height=height, **more
    )


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
    """Three pictures that differ in everything."""
    made = []
    for number, (name, repeats) in enumerate([("sub/fox.png", 10), ("fox.jpg", 1), ("tail_mask.png", 1)]):
        data = picture(number, "JPEG" if name.endswith("jpg") else "PNG")
        mask = mask_of(encoded(Image.new("L", (6, 4), 70), "PNG")) if number == 1 else None
        caption = f"a fox, {number}" if number else None
        made.append(record_of(name, data, repeats=repeats, caption=caption, mask=mask))
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


def said(dataset: Dataset, tmp_path: Path, layout: str = "kohya", pictures: Any = "as shown") -> str:
    return "\n".join(result(save_dataset(dataset, tmp_path / "set", layout, pictures)).notes)


def test_the_user_is_told_what_a_trainer_will_miss(dataset, tmp_path):
    notes = said(dataset, tmp_path, "replicate")
    for words in ("Without a caption: 1 of 3 pictures: sub/fox.png", "10 or more", "more than once", "1 were left out"):
        assert words in notes


@pytest.mark.parametrize("pictures", ["as shown", "as they are"])
def test_what_is_changed_or_kept_is_named(tmp_path, pictures):
    """A photo of a phone, a cut-out, an animation: a file that everybody reads alike is copied and not named."""
    made = {
        name: MAKERS[name] for name in ("turned 6", "transparent", "GIF", "16 bits", "JPEG", "called by another ending")
    }
    dataset = Dataset(
        name="a set",
        records=tuple(
            record_of(f"{n}{ending}", make(n), caption="one\ntwo" if n == 4 else "one")
            for n, (ending, make) in enumerate(made.values())
        ),
    )
    notes = said(dataset, tmp_path, "diffusers", pictures)
    words = {
        "as shown": [
            "Turned upright, and saved as PNG: 0.jpg.",
            "Transparent areas made white, and saved as PNG: 1.png.",
            "Only the first frame is saved, as PNG: 2.gif.",
            "Converted to RGB with 8 bits, and saved as PNG: 3.png.",
        ],
        "as they are": [
            "others see these turned: 0.jpg.",
            "hidden colors: 1.png.",
            "all or none: 2.gif.",
            "or fail: 3.png.",
            "PNG, JPEG and WebP are safe: 2.gif.",
        ],
    }[pictures]
    assert all(word in notes for word in words), notes
    assert "4." not in notes and "5." not in notes
    kept = ["0.jpg", "1.png", "2.gif", "3.png"] if pictures == "as they are" else ["0.png", "1.png", "2.png", "3.png"]
    assert files(tmp_path / "set") == [*kept, "4.jpg", "5.png", "metadata.jsonl"]
    data = {file.name: file.read_bytes() for file in (tmp_path / "set").iterdir()}
    unchanged = range(6) if pictures == "as they are" else (4, 5)
    for number in unchanged:
        (name,) = [name for name in data if name.startswith(f"{number}.")]
        assert data[name] == dataset.records[number].source.read()


def test_captions_are_one_line_for_trainers_that_read_lines(dataset, tmp_path):
    long = dataset.with_captions(["a fox,\n red fur\n\n in snow", "a fox", "a fox"])
    notes = said(long, tmp_path)
    assert (tmp_path / "set" / "10_zwx fox" / "fox.txt").read_text() == "a fox, red fur in snow"
    assert "Captions of several lines are saved as one, since this trainer reads lines: sub/fox.png." in notes
    assert "several lines" not in said(long, tmp_path, "diffusers")


def test_what_is_trained_but_not_saved_is_told(dataset, tmp_path):
    changes = Augmentation(flip=True, crop=0.1, count=4)
    crop = (Crop(box=(0, 0, 4, 4), size=(64, 64)),)
    records = tuple(
        replace(r, crops=crop, augmentation=changes, mask=r.mask and replace(r.mask, floor=0.3)) for r in dataset
    )
    trained = replace(dataset, records=records)
    notes = said(trained, tmp_path)
    assert "Crops and their sizes aren't saved" in notes
    assert "Variants (mirrored, cropped by up to 10%) aren't saved" in notes
    assert "The masks' floor, 0.3, isn't saved" in notes
    notes = said(trained, tmp_path, pictures="crops")
    assert "Crops" not in notes and "Variants" in notes
    notes = said(trained, tmp_path, pictures="crops and variants")
    assert "Variants" not in notes and "4 times as often" in notes


@pytest.mark.parametrize("pictures", PICTURES)
def test_crops_and_variants_that_are_not_there_are_refused(dataset, tmp_path, pictures):
    if pictures.startswith("crops"):
        with pytest.raises(DatasetError, match="foxes has no crops"):
            said(dataset, tmp_path, pictures=pictures)
        assert list(tmp_path.iterdir()) == []
    else:
        assert said(dataset, tmp_path, pictures=pictures)


def test_a_mask_is_saved_in_the_size_of_its_picture(tmp_path):
    """Trainers that read masks from a folder refuse other sizes."""
    small = mask_of(encoded(Image.fromarray(np.array([[0, 255, 0], [255, 0, 255]], np.uint8)), "PNG"))
    dataset = Dataset(name="a set", records=(record_of("fox.png", picture(1), mask=small),))
    notes = said(dataset, tmp_path)
    mask = load_dataset(tmp_path / "set").records[0].mask
    assert mask is not None
    assert np.asarray(mask.load())[::2, ::2].tolist() == [[0, 255, 0], [255, 0, 255]]
    assert mask.load().size == (6, 4)
    assert "Masks scaled to the size of their pictures: fox.png." in notes

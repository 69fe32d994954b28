"""Data sets from folders, archives and memory."""

from __future__ import annotations

import hashlib
import os
import random
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data import trees
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from lora_workbench.engine.data.trees import folder_fingerprint
from PIL import Image

SETTINGS = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def mixed(encode) -> dict[str, bytes | str]:
    """A data set as people have them."""
    return {
        "fox 10.png": encode("red"),
        "fox 2.jpg": encode("green", "JPEG"),
        "fox 2.txt": "a fox that sleeps",
        "10_otter/one.webp": encode("blue", "WEBP"),
        "10_otter/one_mask.png": encode("white"),
        "10_otter/metadata.csv": "file_name,text\none.webp,an otter\n",
        "deep/er/still/last.BMP": encode("white", "BMP"),
        ".hidden.png": encode("black"),
        ".cache/thumb.png": encode("black"),
        "__MACOSX/._fox 10.png": b"resource fork",
        "._fox 2.jpg": b"resource fork",
        "Thumbs.db": b"\0",
    }


def test_a_folder_as_people_have_them(mixed, write_folder):
    dataset = load_dataset(write_folder(mixed))
    assert [(r.name, r.caption, r.repeats) for r in dataset] == [
        ("10_otter/one.webp", "an otter", 10),
        ("deep/er/still/last.BMP", None, 1),
        ("fox 2.jpg", "a fox that sleeps", 1),
        ("fox 10.png", None, 1),
    ]
    assert dataset.name == "pictures"
    assert {s.name for s in dataset.skipped} == {"Thumbs.db", ".hidden.png", ".cache/", "__MACOSX/", "._fox 2.jpg"}
    assert dataset.samples_per_epoch == 13


def test_records_know_hash_and_size_and_load_lazily(mixed, write_folder):
    root = write_folder(mixed)
    record = load_dataset(root).records[3]
    assert record.content_hash == hashlib.sha256((root / "fox 10.png").read_bytes()).hexdigest()
    assert (record.width, record.height) == (24, 16)
    assert record.load().getpixel((0, 0)) == (255, 0, 0)


def test_an_archive_gives_the_same_data_set_as_its_folder(mixed, write_folder, write_zip):
    folder, archive = load_dataset(write_folder(mixed)), load_dataset(write_zip(mixed))
    assert archive.content_hash == folder.content_hash
    assert archive.manifest() == folder.manifest()
    assert archive.name == folder.name == "pictures"
    assert [r.load().tobytes() for r in archive] == [r.load().tobytes() for r in folder]


def test_the_order_is_not_that_of_the_disk(mixed, write_folder, monkeypatch):
    root = write_folder(mixed)
    expected = load_dataset(root)
    real = os.scandir

    class Shuffled:
        def __init__(self, folder):
            with real(folder) as entries:
                self.entries = list(entries)
            random.shuffle(self.entries)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(trees.os, "scandir", Shuffled)
    assert all(load_dataset(root).manifest() == expected.manifest() for _ in range(10))


@SETTINGS
@given(order=st.permutations(range(5)))
def test_the_order_of_members_in_an_archive_does_not_matter(order, encode, write_zip):
    names = ["a 1.png", "a 2.png", "a 10.png", "b/a.png", "c.png"]
    files = {names[i]: encode(Image.new("RGB", (8, 8), (i, i, i))) for i in order}
    assert [r.name for r in load_dataset(write_zip(files))] == names


@SETTINGS
@given(place=st.text("abc xyz", min_size=1, max_size=8).filter(lambda s: s == s.strip()))
def test_the_hash_does_not_depend_on_the_place_of_the_folder(place, tmp_path_factory, encode):
    hashes = set()
    for folder in (tmp_path_factory.mktemp("one") / place, tmp_path_factory.mktemp("two")):
        folder.mkdir(exist_ok=True)
        (folder / "a.png").write_bytes(encode("red"))
        (folder / "a.txt").write_text("fox", encoding="utf-8")
        hashes.add(load_dataset(folder).content_hash)
    assert len(hashes) == 1


def test_the_hash_follows_pictures_captions_and_repeats(encode, write_folder):
    root = write_folder({"2_x/a.png": encode("red"), "2_x/a.txt": "fox"})
    hashes = [load_dataset(root).content_hash]
    (root / "2_x/a.txt").write_text("cat", encoding="utf-8")
    hashes.append(load_dataset(root).content_hash)
    (root / "2_x").rename(root / "3_x")
    hashes.append(load_dataset(root).content_hash)
    (root / "3_x/a.png").write_bytes(encode("blue"))
    hashes.append(load_dataset(root).content_hash)
    assert len(set(hashes)) == 4


@pytest.fixture
def damaged(encode, write_folder) -> Path:
    """One whole picture among several that aren't."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    return write_folder({
        "whole.png": encode("red"),
        "cut.jpg": encode(noise, "JPEG")[:2000],
        "empty.png": b"",
        "text.webp": "not a picture",
        "phone.heic": b"\0\0\0\x18ftypheic",
    })  # fmt: skip


def test_unreadable_pictures_are_skipped_and_named_with_the_reason(damaged):
    dataset = load_dataset(damaged)
    assert [r.name for r in dataset] == ["whole.png"]
    reasons = {s.name: s.reason for s in dataset.skipped}
    assert reasons["empty.png"] == "the file is empty"
    assert reasons["text.webp"] == "it isn't a picture in a known format"
    assert "HEIC" in reasons["phone.heic"]
    assert "truncated" in reasons["cut.jpg"]


def test_unreadable_pictures_are_refused_all_at_once(damaged):
    with pytest.raises(DatasetError) as caught:
        load_dataset(damaged, on_unreadable="refuse")
    assert all(name in str(caught.value) for name in ("cut.jpg", "empty.png", "text.webp", "phone.heic"))
    assert "whole.png" not in str(caught.value)


def test_no_readable_picture_at_all_is_an_error_even_when_skipping(damaged):
    (damaged / "whole.png").unlink()
    with pytest.raises(DatasetError, match="4 of 4 pictures"):
        load_dataset(damaged)


def test_masks_and_lost_captions_do_not_count_as_unreadable(encode, write_folder):
    root = write_folder({"a.png": encode("red"), "lone_mask.png": encode("red"), "b.txt": "lost"})
    assert len(load_dataset(root, on_unreadable="refuse").skipped) == 2


def test_masks_are_found_and_those_that_fit_no_picture_are_reported(encode, write_folder):
    half = encode(Image.new("L", (12, 8), 200))
    root = write_folder({
        "a.png": encode("red"), "a_mask.png": half,
        "b.png": encode("red"), "b-masklabel.png": encode(Image.new("L", (16, 16))),
        "c.png": encode("red"), "c_mask.png": b"no picture",
    })  # fmt: skip
    dataset = load_dataset(root, on_unreadable="refuse")
    masks = [record.mask for record in dataset]
    assert masks[0] is not None and masks[1:] == [None, None]
    assert masks[0].load().getpixel((3, 3)) == 200
    assert {s.name: s.reason.split(",")[0] for s in dataset.skipped} == {
        "b-masklabel.png": "its shape", "c_mask.png": "it isn't a picture in a known format",
    }  # fmt: skip


def test_a_mask_that_does_not_weigh_changes_no_run(encode, write_folder):
    root = write_folder({"a.png": encode("red")})
    before = load_dataset(root)
    (root / "a_mask.png").write_bytes(encode("white"))
    found = load_dataset(root)
    assert found.content_hash == before.content_hash
    mask = found.records[0].mask
    assert mask is not None
    weighing = replace(found, records=(replace(found.records[0], mask=replace(mask, floor=0.5)),))
    assert weighing.content_hash != before.content_hash


def test_an_unknown_answer_to_unreadable_pictures_is_refused(damaged):
    with pytest.raises(DatasetError, match="ignore"):
        load_dataset(damaged, on_unreadable="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "is empty"),
        ({".hidden.png": b"x"}, "is empty"),
        ({"a.txt": "fox", "b.txt": "fox"}, "2 files, but no picture"),
    ],
)
def test_a_folder_without_pictures_is_refused(files, said, write_folder):
    with pytest.raises(DatasetError, match=said) as caught:
        load_dataset(write_folder(files))
    assert caught.value.expected
    assert caught.value.hint


def test_a_path_that_holds_no_data_set_is_refused(tmp_path, encode):
    (tmp_path / "one.png").write_bytes(encode("red"))
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    wrong = [("", "path is empty"), (tmp_path / "none", "no folder"), (tmp_path / "one.png", "neither a folder")]
    for path, said in [*wrong, (tmp_path / "cut.zip", "damaged zip")]:
        for use in (load_dataset, folder_fingerprint):
            with pytest.raises(DatasetError, match=said):
                use(path)


def test_links_are_followed_but_not_in_circles(encode, write_folder, tmp_path):
    root = write_folder({"a.png": encode("red")})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.png").write_bytes(encode("blue"))
    try:
        (root / "loop").symlink_to(root)
        (root / "more").symlink_to(elsewhere)
        (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    except OSError:
        pytest.skip("this system makes no links")
    dataset = load_dataset(root)
    assert [r.name for r in dataset] == ["a.png", "more/b.png"]
    assert [s.name for s in dataset.skipped] == ["gone.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_with_a_pictures_name_does_not_hang(encode, write_folder):
    root = write_folder({"a.png": encode("red")})
    os.mkfifo(root / "pipe.png")
    assert [s.name for s in load_dataset(root).skipped] == ["pipe.png"]


def test_memory_stays_flat(encode, write_folder):
    big = np.random.default_rng(2).integers(0, 255, (700, 700, 3), dtype=np.uint8)
    root = write_folder({f"{n}.bmp": encode(Image.fromarray(big + np.uint8(n)), "BMP") for n in range(20)})
    tracemalloc.start()
    dataset = load_dataset(root)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dataset) == 20
    assert peak < 5 * big.nbytes


def test_images_in_memory_become_records(encode):
    images = [Image.new("RGB", (24, 16), "red"), Image.new("RGBA", (8, 8), (0, 0, 0, 0))]
    dataset = dataset_from_images(images, [" a fox ", " "], "graph")
    assert [(r.name, r.caption, r.width, r.height) for r in dataset] == [
        ("image_0001.png", "a fox", 24, 16),
        ("image_0002.png", None, 8, 8),
    ]
    assert dataset.name == "graph"
    assert dataset.records[0].load().getpixel((0, 0)) == (255, 0, 0)
    assert dataset.records[1].load().getpixel((0, 0)) == (255, 255, 255)


def test_the_hash_of_images_is_that_of_their_pixels(encode, tmp_path):
    plain = Image.new("RGB", (24, 16), "red")
    plain.save(tmp_path / "a.png", icc_profile=b"a profile")
    with Image.open(tmp_path / "a.png") as annotated:
        both = [dataset_from_images([image], [None], "x") for image in (plain, annotated)]
    assert both[0].content_hash == both[1].content_hash
    assert both[0].content_hash != dataset_from_images([Image.new("RGB", (24, 16), "blue")], [None], "x").content_hash


@pytest.mark.parametrize(
    ("images", "captions"),
    [
        ([], []),
        ([Image.new("RGB", (4, 4))], []),
        ([Image.new("F", (4, 4))], [None]),
        ([Image.new("1", (10_001, 10_000))], [None]),
    ],
)
def test_images_that_make_no_data_set_are_refused(images, captions):
    with pytest.raises(DatasetError):
        dataset_from_images(images, captions, "x")


def test_the_fingerprint_sees_every_change_that_a_listing_shows(encode, write_folder):
    root = write_folder({"a.png": encode("red"), "sub/a.txt": "fox"})
    seen = [folder_fingerprint(root)]
    assert folder_fingerprint(root) == seen[0]
    (root / ".DS_Store").write_bytes(b"x")
    assert folder_fingerprint(root) == seen[0]
    (root / "sub/a.txt").write_text("foxes", encoding="utf-8")
    seen.append(folder_fingerprint(root))
    os.utime(root / "a.png", ns=(1, 1))
    seen.append(folder_fingerprint(root))
    (root / "a.png").rename(root / "b.png")
    seen.append(folder_fingerprint(root))
    (root / "b.png").unlink()
    seen.append(folder_fingerprint(root))
    assert len(set(seen)) == 5


def test_the_fingerprint_of_an_archive_is_that_of_the_file(encode, write_zip):
    path = write_zip({"a.png": encode("red")})
    before = folder_fingerprint(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.png", encode("blue"))
    assert folder_fingerprint(path) != before

"""Pairs for edit models: found as people and other trainers name them, and every other picture named."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.augmenting import augmented
from lora_workbench.engine.data.buckets import BucketSettings, bucketed
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.joining import joined
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.pairs import load_pairs
from lora_workbench.engine.data.saving import save_dataset
from lora_workbench.engine.data.views import Augmentation
from PIL import Image

COLORS = cycle(
    ["red", "green", "blue", "black", "white", "gray", "yellow", "orange", "purple", "pink", "brown", "cyan"]
)


def finish(events):
    try:
        while True:
            next(events)
    except StopIteration as stop:
        return stop.value


@pytest.fixture
def pairs(encode, write_folder) -> Callable[..., Dataset]:
    """The pairs in a folder with pictures of these names, each of another color, and other files."""

    def load(*pictures: str, others: dict[str, bytes | str] | None = None, **options) -> Dataset:
        root = write_folder({name: encode(next(COLORS)) for name in pictures} | (others or {}))
        return load_pairs(root, **options)

    return load


def partners(dataset: Dataset) -> dict[str, str]:
    return {record.name: record.reference.name for record in dataset if record.reference}


def skipped(dataset: Dataset) -> dict[str, str]:
    return {file.name: file.reason for file in dataset.skipped}


LAYOUTS = {
    "fal": (("fox_start.png", "fox_end.jpg"), {"fox_end.jpg": "fox_start.png"}),
    "case": (("FOX_Start.png", "fox_END.png"), {"fox_END.png": "FOX_Start.png"}),
    "two folders": (("control/1.png", "target/1.jpg"), {"target/1.jpg": "control/1.png"}),
    "words of both": (("source images/1.png", "Edited/1.png"), {"Edited/1.png": "source images/1.png"}),
    "any other folder": (("control/1.png", "pictures/1.png"), {"pictures/1.png": "control/1.png"}),
    "below the results": (("1.png", "conditioning/1.png"), {"1.png": "conditioning/1.png"}),
    "deep": (("A/train/1.png", "B/train/1.png"), {"B/train/1.png": "A/train/1.png"}),
    "repeats": (("4_fox/1.png", "control/4_fox/1.png"), {"4_fox/1.png": "control/4_fox/1.png"}),
    "numbers of musubi-tuner": (("images/1.png", "control/1_0.png"), {"images/1.png": "control/1_0.png"}),
    "OneTrainer": (("fox.png", "fox-condlabel.png"), {"fox.png": "fox-condlabel.png"}),
    "word in a folder of results": (
        ("control/a_original.png", "target/a_original.png"),
        {"target/a_original.png": "control/a_original.png"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_are_found_as_people_name_them(pairs, layout):
    pictures, expected = LAYOUTS[layout]
    found = pairs(*pictures, instruction="draw it")
    assert partners(found) == expected
    assert [record.caption for record in found] == ["draw it"]
    assert not found.skipped


TABLES = {
    "musubi-tuner": ("d.jsonl", {"image_path": "/data/x/1.png", "control_path": "/data/y/1.png", "caption": "do it"}),
    "diffusers": (
        "metadata.jsonl",
        {
            "edited_image_file_name": "x/1.png",
            "input_image_file_name": "y/1.png",
            "edit_prompt": "do it",
            "text": "a fox",
        },
    ),
    "DiffSynth": ("metadata.jsonl", {"image": "x/1.png", "edit_image": ["y/1.png"], "prompt": "do it"}),
}


@pytest.mark.parametrize("program", TABLES)
def test_pairs_are_found_in_tables(pairs, program):
    table, row = TABLES[program]
    found = pairs("x/1.png", "y/1.png", others={table: json.dumps(row)})
    assert partners(found) == {"x/1.png": "y/1.png"}
    assert found.records[0].caption == "do it", "the instruction counts, not what is seen in the result"
    assert set(skipped(found)) == ({"metadata.jsonl, line 1: text"} if "text" in row else set())


def test_a_table_may_leave_the_instructions_to_the_node(pairs):
    found = pairs("x.png", "y.png", others={"d.csv": "file_name,control\nx.png,y.png\n"}, instruction="draw it")
    assert [(r.name, r.caption) for r in found] == [("x.png", "draw it")]


def test_what_a_table_lacks_is_named(pairs):
    rows = ['{"file_name": "x.png", "control_path_0": "y.png", "control_path_1": "z.png"}',
            '{"file_name": "z.png", "control_path": "gone.png"}']  # fmt: skip
    told = [
        (s.name, s.reason) for s in pairs("x.png", "y.png", "z.png", others={"metadata.jsonl": "\n".join(rows)}).skipped
    ]
    assert ("metadata.jsonl, line 1: z.png", "a pair has one picture before editing, y.png") in told
    assert ("metadata.jsonl, line 2", "there is no picture gone.png") in told


def test_instructions_stand_beside_results_or_under_the_common_name(pairs):
    texts = {"a.txt": "edit a", "b_end.txt": "edit b", "c_start.txt": "what is seen"}
    names = [f"{stem}_{role}.png" for stem in "abc" for role in ("start", "end")]
    found = pairs(*names, others=texts, instruction="edit")
    assert [record.caption for record in found] == ["edit a", "edit b", "edit"]
    assert "belongs to pictures before editing" in skipped(found)["c_start.txt"]
    assert found.notes == ()


def test_an_instruction_that_no_pair_needs_is_told(pairs):
    found = pairs("a_start.png", "a_end.png", others={"a.txt": "edit a"}, instruction="edit")
    assert [note.text for note in found.notes] == [
        "the instruction that was entered isn't used: all pairs have their own"
    ]


def test_pictures_without_partners_are_named(pairs):
    found = pairs("a_start.png", "a_start2.png", "a_end.png", "b_end.png", "c_start.png", "d.png")
    assert partners(found) == {"a_end.png": "a_start.png"}
    told = skipped(found)
    assert set(told) == {"a_start2.png", "b_end.png", "c_start.png", "d.png"}
    assert "that of a_end.png is a_start.png" in told["a_start2.png"]
    assert told["c_start.png"] == "there is no result of editing with its name"


def test_several_possible_results_are_not_guessed(pairs):
    with pytest.raises(DatasetError, match=r"several pictures may be its result: x/1\.png, y/1\.png"):
        pairs("control/1.png", "x/1.png", "y/1.png")


def test_two_folders_in_different_places(encode, tmp_path):
    for name, color in {"out/1.png": "red", "out/2.png": "blue", "in/1.JPG": "green", "in/3.png": "gray"}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(color, "JPEG" if name.endswith("JPG") else "PNG"))
    (tmp_path / "in" / "1.txt").write_text("what is seen")
    found = load_pairs(tmp_path / "out", tmp_path / "in")
    assert partners(found) == {"1.png": "in/1.JPG"}
    assert set(skipped(found)) == {"2.png", "in/3.png", "in/1.txt"}
    assert found.name == "out"


def test_no_pairs_are_an_error_that_names_pictures_and_forms(pairs, tmp_path):
    with pytest.raises(DatasetError, match=r"no pairs[^$]*x/1\.png: there is no picture before[^$]*control_path"):
        pairs("x/1.png", "y/1.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="There are no pictures"):
        load_pairs(tmp_path / "empty")


def test_an_unreadable_half_takes_its_pair_with_it(pairs, encode):
    broken = {"a_start.png": b"junk", "b_end.png": encode()[:60]}
    names = ("a_end.png", "b_start.png", "c_start.png", "c_end.png")
    found = pairs(*names, others=broken)
    assert partners(found) == {"c_end.png": "c_start.png"}
    told = skipped(found)
    assert set(told) == {"a_start.png", "a_end.png", "b_start.png", "b_end.png"}
    assert told["a_end.png"] == "the picture before editing, a_start.png, can't be used"
    assert told["b_start.png"] == "its result, b_end.png, can't be used"
    with pytest.raises(DatasetError, match=r"a_start\.png"):
        pairs(*names, others=broken, on_unreadable="refuse")


def test_masks_are_those_of_results(pairs, encode):
    found = pairs("start/1.png", "end/1.png", others={"masks/1.png": encode("white")})
    assert found.records[0].mask and not found.skipped


def test_a_data_set_with_references_has_another_hash(pairs, encode, write_folder):
    both = pairs("1.png", "control/1.png")
    alone = Dataset(name="x", records=load_dataset(write_folder({"1.png": both.records[0].read()})).records)
    assert both.content_hash != alone.content_hash
    other = pairs("control/1.png", others={"1.png": both.records[0].read()})
    assert other.content_hash != both.content_hash, "another picture before editing is another pair"


def gradient(width: int, height: int) -> Image.Image:
    """Each pixel tells where it is."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, across * 0], axis=-1).astype(np.uint8))


def test_the_reference_gets_the_view_of_its_result(pairs, encode):
    """Buckets, crops, mirror images and colors: with the same pixels before and after, all views are equal."""
    sizes = {"1_start.png": gradient(120, 80), "1_end.png": gradient(60, 40)}
    found = pairs(others={name: encode(picture) for name, picture in sizes.items()}, instruction="do it")
    made = finish(bucketed(found, BucketSettings(resolutions=(24,), step=8, max_aspect=1.0)))
    made = augmented(made, Augmentation(crop=0.3, color=0.2, count=6), flip="yes", shows="neither")
    ((record,), views) = made.records, made.records[0].views(32)[0]
    assert len({view.flip for view in views}) == 2
    for view in views:
        before = record.reference.view(view, (record.width, record.height))
        apart = np.asarray(before.of(record.reference.load()), int) - np.asarray(view.of(record.load()), int)
        assert before.crop.size == view.crop.size and np.abs(apart).max() <= 8


def test_a_reference_of_another_shape_shows_its_middle_and_is_named(pairs, encode):
    sizes = {"1_start.png": gradient(90, 40), "1_end.png": gradient(40, 40)}
    found = pairs(others={name: encode(picture) for name, picture in sizes.items()})
    ((view,),) = found.records[0].views(16)
    assert found.records[0].reference.view(view, (40, 40)).crop.box == (25, 0, 65, 40)
    assert [note.name for note in found.notes] == ["1_start.png"]
    assert "only its middle is used" in found.notes[0].text


def test_the_same_file_before_and_after_is_named(pairs, encode):
    found = pairs(others={"1_start.png": encode("red"), "1_end.png": encode("red")})
    assert "the same file before and after" in found.notes[0].text


def test_joined_sets_keep_their_references(pairs):
    first, second = pairs("1_start.png", "1_end.png"), pairs("2_start.png", "2_end.png")
    both = joined([first, Dataset(name="other", records=second.records[-1:])])
    assert partners(both)["pictures/1_end.png"] == "pictures/1_start.png"
    assert both.records[-1].reference.load()


@pytest.mark.parametrize("layout", ["kohya", "diffusers", "fal"])
def test_saved_pairs_are_read_back(pairs, tmp_path, layout):
    names = ("fox_start.png", "fox_end.png", "control/cat_original.png", "target/cat_original.png")
    made = pairs(*names, others={"target/cat_original.txt": "a cat, in lines"}, instruction="draw it")
    saved = finish(save_dataset(made, tmp_path / "saved", layout))
    again = load_pairs(saved.path)
    assert not again.skipped

    def content(dataset: Dataset) -> set[tuple[str, str, str | None]]:
        return {(r.content_hash, r.reference.content_hash, r.caption) for r in dataset}

    assert content(again) == content(made)


def test_saved_crops_are_cropped_before_editing_too(pairs, encode, tmp_path):
    sizes = {"1_start.png": gradient(120, 80), "1_end.png": gradient(60, 40)}
    found = pairs(others={name: encode(picture) for name, picture in sizes.items()})
    made = finish(bucketed(found, BucketSettings(resolutions=(24,), step=8, max_aspect=1.0)))
    saved = finish(save_dataset(made, tmp_path / "saved", "kohya", "crops"))
    again = load_pairs(saved.path)
    assert [(r.width, r.height, r.reference.width, r.reference.height) for r in again] == [(24, 24, 24, 24)]


def test_a_layout_without_pairs_says_so(pairs, tmp_path):
    made = pairs("fox_start.png", "fox_end.png", instruction="draw it")
    notes = finish(save_dataset(made, tmp_path / "saved", "replicate")).notes
    assert any("left out: 1 picture before editing" in note for note in notes)


def test_loading_pairs_as_plain_pictures_points_to_the_node(encode, write_folder):
    root = write_folder({f"{folder}/{n}.png": encode(next(COLORS)) for folder in ("a", "b") for n in range(3)})
    assert "LW_PairDataset" in load_dataset(root).notes[0].text


def test_every_file_is_used_or_named(pairs, tmp_path: Path):
    names = ("a_start.png", "a_end.png", "b.png", "c/d_start.png", "x-condlabel.png", "y_mask.png")
    found = pairs(*names, others={"readme.md": "x", "a.txt": "edit", "q.txt": "lost", ".hidden": "x"})
    used = {record.name for record in found} | {record.reference.name for record in found} | {"a.txt"}
    assert used | set(skipped(found)) == {*names, "readme.md", "a.txt", "q.txt", ".hidden"}

"""Captions stay with their pictures, whatever happens to names, order and number of files; and odd files do no harm."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import load_dataset
from PIL import Image

QUICK = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

STEMS = st.lists(
    st.text("abcxyz019 _-.()é", min_size=1, max_size=6).filter(lambda s: s.strip(" .") == s),
    min_size=1,
    max_size=6,
    unique_by=lambda s: s.lower(),
).filter(lambda stems: not any(s.endswith(("_mask", "-masklabel")) for s in stems))


def write(folder: Path, names: Mapping[str, int], how: str) -> Dataset:
    """Pictures by stem, each told from the others by its color, whose caption says its number; read back."""
    lines = []
    for name, number in names.items():
        Image.new("RGB", (4, 4), (number, 255 - number, 7)).save(folder / f"{name}.png")
        if how == "texts":
            (folder / f"{name}.txt").write_text(f"picture {number}", encoding="utf-8")
        lines.append(json.dumps({"file_name": f"{name}.png", "text": f"picture {number}"}))
    if how == "jsonl":
        (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return load_dataset(folder)


def captions_by_content(dataset: Dataset) -> dict[str, str | None]:
    return {record.content_hash: record.caption for record in dataset}


def assert_together(dataset: Dataset) -> None:
    """Each caption says the number that its picture's color says."""
    for record in dataset:
        assert record.caption == f"picture {record.load().getpixel((0, 0))[0]}"  # type: ignore[index]


@QUICK
@given(STEMS, STEMS, st.randoms(), st.sampled_from(["texts", "jsonl"]))
def test_renamed_reordered_added_and_removed(stems: list[str], others: list[str], random, how: str):
    numbers = dict(zip(stems, range(len(stems)), strict=True))
    renamed = dict(zip(others, random.sample(range(10), len(others)), strict=True))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        before, after = write(Path(one), numbers, how), write(Path(two), renamed, how)
        assert_together(before)
        assert_together(after)
        shared = captions_by_content(before).keys() & captions_by_content(after).keys()
        assert len(shared) == len(set(numbers.values()) & set(renamed.values()))
        for content in shared:
            assert captions_by_content(before)[content] == captions_by_content(after)[content]


@QUICK
@given(STEMS.filter(lambda stems: len(stems) > 1), st.randoms())
def test_files_that_come_and_go_take_their_captions_along(stems: list[str], random):
    with tempfile.TemporaryDirectory() as one:
        folder = Path(one)
        write(folder, dict(zip(stems, range(len(stems)), strict=True)), "texts")
        gone = random.choice(stems)
        (folder / f"{gone}.png").unlink()
        left = load_dataset(folder)
        assert_together(left)
        assert len(left) == len(stems) - 1
        assert [skipped.name for skipped in left.skipped] == [f"{gone}.txt"]


@settings(QUICK, max_examples=200)
@given(
    st.sampled_from(["a.txt", "metadata.jsonl", "metadata.csv"]),
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.builds(
        lambda name, text: json.dumps({"file_name": name, "text": text}).encode(),
        st.sampled_from(["a.png", "../a.png", "", "A.PNG", "\ud800"]),
        st.none() | st.text(max_size=9) | st.integers() | st.lists(st.text(max_size=2), max_size=2),
    ),
)  # fmt: skip
@example("metadata.csv", b'"')
def test_fuzzed_caption_files_are_read_or_named(name: str, content: bytes):
    with tempfile.TemporaryDirectory() as one:
        folder = Path(one)
        Image.new("RGB", (4, 4)).save(folder / "a.png")
        (folder / name).write_bytes(content)
        try:
            dataset = load_dataset(folder)
        except DatasetError as error:
            named, hint = str(error), error.hint
        else:
            assert len(dataset) == 1
            return
    assert name in named
    assert hint

"""Damaged files and strange captions: nothing crashes, and each file is named or measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generators import result
from hypothesis import given, settings
from hypothesis import strategies as st
from inspecting import dataset_of, encoded, inspected, kinds
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.inspection.curation import curate
from lora_workbench.engine.inspection.inspector import inspect
from PIL import Image

FILES = 200
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF"}


def fuzzed(data: bytes, rng: np.random.Generator) -> bytes:
    """With bytes changed, cut off, or put in."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 30))):
        changed[int(rng.integers(2, len(changed)))] = int(rng.integers(256))
    where = int(rng.integers(2, len(changed)))
    return bytes([changed, changed[:where], changed[:where] + rng.bytes(40) + changed[where:]][int(rng.integers(3))])


def test_fuzzed_files_are_named_or_measured(photographs: dict[str, Image.Image], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = [image.resize((120, 90)) for image in photographs.values()]
    written = set()
    for number in range(FILES):
        suffix = list(FORMATS)[number % len(FORMATS)]
        name = f"{number:03d}.{suffix}"
        data = encoded(images[number % len(images)], FORMATS[suffix])
        (tmp_path / name).write_bytes(fuzzed(data, rng) if number % 5 else data)
        (tmp_path / f"{number:03d}.txt").write_text(f"{'[trigger' * (number % 3)} \u202e{chr(33 + number)} {{", "utf-8")
        written.add(name)
    dataset = load_dataset(tmp_path)
    inspection = result(inspect(dataset, side=64))
    left_out = {skipped.name for skipped in dataset.skipped if skipped.name in written}
    assert left_out | {record.name for record in dataset} == written
    assert all(f"{name}" in inspection.text() for name in left_out)
    unread = {name for name, flags in kinds(inspection).items() if "unreadable" in flags}
    assert unread == {record.name for record, p in zip(dataset, inspection.pictures, strict=True) if p.measures is None}
    assert unread <= {record.name for record in curate(inspection).dropped}
    assert {f"{number:03d}.{list(FORMATS)[number % len(FORMATS)]}" for number in range(0, FILES, 5)} <= {
        record.name for record in dataset
    } - unread
    inspection.json()


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (2, 2), (7, 33), (16, 16), (17, 17), (33, 34), (64, 3)])
def test_tiny_and_thin_pictures_are_measured(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    for side in (1, 16, 512):
        inspection = inspected({"thin": Image.fromarray(pixels), "plain": Image.new("RGB", size)}, side=side)
        assert all(picture.measures is not None for picture in inspection.pictures)
        inspection.json()


@settings(max_examples=50, deadline=None)
@given(captions=st.lists(st.none() | st.text(max_size=40), min_size=3, max_size=3), word=st.text(max_size=5))
def test_any_caption_is_judged(captions: list[str | None], word: str) -> None:
    pictures = {name: Image.new("RGB", (8, 8), color) for name, color in (("a", "red"), ("b", "blue"), ("c", "white"))}
    inspection = result(inspect(dataset_of(pictures, dict(zip(pictures, captions, strict=True)), word), side=8))
    bare = [name for name, caption in zip(pictures, captions, strict=True) if not (caption or "").strip()]
    told = [finding.pictures for finding in inspection.findings if finding.kind == "no caption"]
    assert told == ([tuple(bare)] if bare else [])
    inspection.json()

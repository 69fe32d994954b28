"""Masks from files, transparency and graphs, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from generators import result
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from lora_workbench.engine.data.masking import with_masks
from PIL import Image


def half(size: tuple[int, int] = (24, 16)) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


def test_masks_of_files_weigh_once_they_are_asked_to(encode, write_folder):
    root = write_folder({"a.png": encode("red"), "a_mask.png": encode(half()), "b.png": encode("blue")})
    dataset = load_dataset(root)
    masking = result(with_masks(dataset, "files", 0.2))
    assert masking.coverage == {"a.png": pytest.approx(0.5)}
    assert "1 of 2 pictures have a mask; on average 50% is white" in masking.in_words()
    assert "Without a mask, so trained as a whole: b.png" in masking.in_words()
    assert masking.dataset.content_hash != dataset.content_hash
    assert result(with_masks(dataset, "files", 1.0)).dataset.content_hash == dataset.content_hash


def test_transparency_is_a_mask_when_asked_for(encode, write_folder):
    clear = Image.new("RGBA", (24, 16), (255, 0, 0, 255))
    clear.paste((0, 0, 0, 0), (0, 0, 6, 16))
    root = write_folder(
        {"a.png": encode(clear), "b.png": encode("blue"), "c.webp": encode(clear, "WEBP", lossless=True)}
    )
    masking = result(with_masks(load_dataset(root), "alpha", 0.0))
    assert masking.coverage == {"a.png": pytest.approx(0.75), "c.webp": pytest.approx(0.75)}
    mask = masking.dataset.records[0].mask
    assert mask is not None
    assert (mask.load().getpixel((0, 0)), mask.load().getpixel((20, 0))) == (0, 255)


def test_masks_of_a_graph_are_one_each_or_one_for_all():
    dataset = dataset_from_images([Image.new("RGB", (24, 16))] * 3, [None] * 3, "x")
    one = result(with_masks(dataset, "files", 0.0, [half()]))
    each = result(with_masks(dataset, "files", 0.0, [half(), half((48, 32)), Image.new("L", (24, 16), 255)]))
    assert list(one.coverage.values()) == pytest.approx([0.5] * 3)
    assert list(each.coverage.values()) == pytest.approx([0.5, 0.5, 1.0])
    assert "changes nothing: image_0003.png" in each.in_words()
    with pytest.raises(DatasetError, match="2 masks don't fit 3 pictures"):
        result(with_masks(dataset, "files", 0.0, [half(), half()]))
    with pytest.raises(DatasetError, match="mask of image_0001"):
        result(with_masks(dataset, "files", 0.0, [half((16, 16))]))


def test_what_would_teach_nothing_is_refused(encode, write_folder):
    root = write_folder({"a.png": encode("red"), "a_mask.png": encode(Image.new("L", (24, 16)))})
    with pytest.raises(DatasetError, match=r"1 masks are all black.*a\.png"):
        result(with_masks(load_dataset(root), "files", 0.0))
    assert result(with_masks(load_dataset(root), "files", 0.1)).coverage == {"a.png": 0}
    for origin in ("files", "alpha"):
        with pytest.raises(DatasetError, match="has no masks"):
            bare = load_dataset(root)
            result(with_masks(replace(bare, records=(replace(bare.records[0], mask=None),)), origin, 0.0))
    with pytest.raises(DatasetError, match="floor 2"):
        result(with_masks(load_dataset(root), "files", 2.0))

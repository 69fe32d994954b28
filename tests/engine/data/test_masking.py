"""Masks from files, transparency and graphs, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from generators import result
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from lora_workbench.engine.data.masking import with_masks
from PIL import Image, ImageOps


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
    assert "change nothing" not in masking.in_words()
    idle = result(with_masks(dataset, "files", 1.0))
    assert idle.dataset.content_hash == dataset.content_hash
    assert "The floor is 1" in idle.in_words()


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


@pytest.mark.parametrize("origin", ["files", "alpha", "graph"])
def test_inverted_masks_swap_black_and_white(encode, write_folder, origin):
    clear = Image.new("RGB", (24, 16), "red")
    clear.putalpha(half())
    dataset = load_dataset(write_folder({"a.png": encode(clear), "a_mask.png": encode(half())}))
    given = [half()] if origin == "graph" else []
    origin = "alpha" if origin == "alpha" else "files"
    plain = result(with_masks(dataset, origin, 0.2, given)).dataset
    masking = result(with_masks(dataset, origin, 0.2, given, invert=True))
    first, second = (made.records[0].mask for made in (plain, masking.dataset))
    assert first is not None and second is not None
    assert second.load().tobytes() == ImageOps.invert(first.load()).tobytes()
    assert masking.dataset.content_hash != plain.content_hash


def test_an_inverted_mask_that_is_all_black_then_is_refused(encode, write_folder):
    root = write_folder({"a.png": encode("red"), "a_mask.png": encode(Image.new("L", (24, 16), 255))})
    with pytest.raises(DatasetError, match="all black"):
        result(with_masks(load_dataset(root), "files", 0.0, invert=True))


def test_what_the_transparency_of_a_mask_counts_for_is_said(encode, write_folder):
    """As of strokes painted on an empty layer."""
    painted = Image.new("LA", (24, 16))
    painted.paste((255, 255), (0, 0, 12, 16))
    opaque = half().convert("LA")
    root = write_folder({
        "a.png": encode("red"), "a_mask.png": encode(painted), "b.png": encode("red"), "b_mask.png": encode(opaque),
    })  # fmt: skip
    masking = result(with_masks(load_dataset(root), "files", 0.2))
    mask = masking.dataset.records[0].mask
    assert mask is not None
    brightness = mask.load().getpixel((20, 0))
    assert masking.see_through == {"a.png": brightness / 255}
    color = {0: "black", 255: "white"}[brightness]
    assert f"transparent parts count as {color}: a.png." in masking.in_words()
    inverted = result(with_masks(load_dataset(root), "files", 0.2, invert=True)).in_words()
    assert f"transparent parts count as {'white' if color == 'black' else 'black'}: a.png." in inverted


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

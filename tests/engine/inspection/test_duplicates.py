"""Copies are found whatever was done to them, by content and not by place; different pictures are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from damage import COPIES, blurred
from generators import result
from hypothesis import given, settings
from hypothesis import strategies as st
from inspecting import SIDE, dataset_of, inspected, kinds
from lora_workbench.engine.inspection.curation import curate
from lora_workbench.engine.inspection.duplicates import duplicate_groups, similarity
from lora_workbench.engine.inspection.inspector import inspect
from lora_workbench.engine.inspection.signature import Signature, mirrored_shape, signature
from lora_workbench.engine.inspection.views import THUMB
from PIL import Image

Photographs = dict[str, Image.Image]
RECOGNIZED = [copy for copy in COPIES if "crop" not in copy and "180" not in copy]


def signed(image: Image.Image) -> Signature:
    return signature(np.asarray(image.resize((THUMB, THUMB), Image.Resampling.BOX)))


@pytest.mark.parametrize("copy", RECOGNIZED)
def test_a_copy_stands_with_its_original(photographs: Photographs, copy: str) -> None:
    images = list(photographs.values())
    both = [signed(image) for image in images] + [signed(COPIES[copy](image)) for image in images]
    assert duplicate_groups(both) == [[number, number + len(images)] for number in range(len(images))]


def test_different_photographs_are_unlike(photographs: Photographs) -> None:
    signatures = [signed(image) for image in photographs.values()]
    pairs = [similarity(a, b) for i, a in enumerate(signatures) for b in signatures[:i]]
    assert max(pairs) < 0.75
    assert similarity(signatures[0], signatures[0]) == pytest.approx(1, abs=2e-3)


def test_gradients_are_mirrored_exactly(photographs: Photographs) -> None:
    image = photographs["coffee"].resize((THUMB, THUMB))
    turned = signed(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    np.testing.assert_allclose(mirrored_shape(signed(image).shape), turned.shape, atol=2e-3)
    assert signed(image).mirrored_bits == turned.bits


def test_plain_pictures_of_two_colors_are_no_copies() -> None:
    gradients = np.linspace(0, 255, THUMB, dtype=np.uint8)
    across = np.broadcast_to(gradients[None, :, None], (THUMB, THUMB, 3))
    down = np.broadcast_to(gradients[:, None, None], (THUMB, THUMB, 3))
    assert duplicate_groups([signature(across), signature(down)]) == []
    assert duplicate_groups([]) == []


def test_the_better_copy_is_kept(photographs: Photographs) -> None:
    image = photographs["coffee"]
    small = image.resize((image.width // 2, image.height // 2))
    inspection = inspected({"a soft": blurred(image), "b small": small, "c": image, "d": photographs["rocket"]})
    assert inspection.groups == ((2, 1, 0),)
    curated = curate(inspection, flaws={"duplicate"})
    assert [record.name for record in curated.kept] == ["c", "d"]
    assert dict(curated.reasons) == {"a soft": "duplicate of c", "b small": "duplicate of c"}


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_order_and_names_decide_nothing(photographs: Photographs, data: st.DataObject) -> None:
    """Renamed, reordered, added and removed pictures keep their own flags."""
    pool = {**photographs, "soft": blurred(photographs["coffee"], 4), "copy": photographs["rocket"]}
    chosen = data.draw(st.lists(st.sampled_from(sorted(pool)), unique=True, min_size=1))
    names = data.draw(st.permutations([f"{number} {'x' * number}" for number in range(len(chosen))]))
    renamed = {name: pool[original] for name, original in zip(names, chosen, strict=True)}
    found = kinds(result(inspect(dataset_of(renamed), side=SIDE)))
    assert list(found) == list(names)
    for name, original in zip(names, chosen, strict=True):
        assert ("blurred" in found[name]) == (original == "soft")
    copies = sum("duplicate" in flags for flags in found.values())
    assert copies == ({"rocket", "copy"} <= set(chosen)) + ({"coffee", "soft"} <= set(chosen))

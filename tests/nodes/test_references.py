"""Pictures to edit, as images of the graph or as a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.models.registry import load_base
from lora_workbench.nodes.generation.generate import Generate
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.kit.generation import pictures_to_edit
from lora_workbench.nodes.kit.pictures import to_tensor
from PIL import Image

REQUEST = {
    "prompts": "put the mug on the table", "seed": 3, "seeds_per_prompt": 1, "steps": 1, "guidance": 1.0,
    "negative_prompt": "", "width": 0, "height": 0, "batch_size": 8, "reference_guidance": 1.0,
}  # fmt: skip


def test_a_data_set_is_edited_as_its_pictures_are(host: HeadlessHost, root: Path) -> None:
    base = load_base(root / "assets" / "demo_edit_base", device="cpu", precision="fp32")
    plates = load_dataset(root / "assets" / "datasets" / "plates")
    loaded = [record.load() for record in plates]
    by_dataset, by_images = (
        Generate.execute(base, **REQUEST, reference=reference).args[1] for reference in (plates, to_tensor(loaded))
    )
    assert len(by_dataset) == len(loaded) > 1
    for one, other in zip(by_dataset, by_images, strict=True):
        assert one.reference is not None
        assert np.array_equal(np.asarray(one.reference), np.asarray(other.reference))
        assert np.array_equal(np.asarray(one.image), np.asarray(other.image))


def test_a_picture_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "plate.png")
    plates = load_dataset(tmp_path)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "plate.png")
    with pytest.raises(DatasetError, match="plate"):
        pictures_to_edit(plates)

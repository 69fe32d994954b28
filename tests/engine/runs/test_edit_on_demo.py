"""An edit adapter from twelve pairs draws lines on the demo base, made an edit model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from editing import save_edit_base
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.pairs import load_pairs
from lora_workbench.engine.generation.batch import GenerationRequest, generate, in_shape
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image, ImageFilter, ImageOps

pytestmark = pytest.mark.slow

INSTRUCTION = "a line drawing"
SIDE = 64
TRAINED = 12
RECIPE = Recipe.of(
    steps=300, learning_rate=5e-3, rank=16, alpha=16, targets="all_layers", batch_size=8, schedule="cosine",
    warmup_steps=20, caption_dropout=0.0, reference_dropout=0.0, snr_gamma=5.0,
)  # fmt: skip


def drawn(picture: Image.Image) -> Image.Image:
    """The edges of a picture as dark lines on white."""
    edges = picture.convert("L").filter(ImageFilter.FIND_EDGES)
    lines = ImageOps.invert(ImageOps.autocontrast(edges.filter(ImageFilter.GaussianBlur(0.6)), cutoff=(0, 2)))
    return ImageOps.expand(lines.crop((1, 1, SIDE - 1, SIDE - 1)), 1, 255).convert("RGB")


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def pictures(root: Path) -> list[Image.Image]:
    """All pictures of the demo data sets, mixed."""
    records = [*load_dataset(root / "assets/datasets/fox"), *load_dataset(root / "assets/datasets/riso")]
    records.sort(key=lambda record: record.content_hash)
    return [in_shape(record.load(), (SIDE, SIDE)) for record in records]


@pytest.fixture(scope="module")
def distances(
    pictures: list[Image.Image], demo_base: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, np.ndarray]:
    """Mean distance of pixels, 0 to 255, of each held-out picture to its true drawing."""
    folder = tmp_path_factory.mktemp("pairs")
    for number, picture in enumerate(pictures[:TRAINED]):
        picture.save(folder / f"{number}_start.png")
        drawn(picture).save(folder / f"{number}_end.png")
        (folder / f"{number}.txt").write_text(INSTRUCTION)
    base = registry.load_base(save_edit_base(demo_base, tmp_path_factory.mktemp("base")), device="cpu")
    store = RunStore(tmp_path_factory.mktemp("store"))
    trained = finish(train_adapter(base, load_pairs(folder), RECIPE, seed=0, store=store, name="lines"))
    held_out = tuple(pictures[TRAINED : TRAINED + 12])
    request = GenerationRequest(
        prompts=(INSTRUCTION,), references=held_out, width=SIDE, height=SIDE, steps=15, guidance=1.0,
        reference_guidance=1.0,
    )  # fmt: skip
    average = np.mean([np.asarray(drawn(picture), np.float64) for picture in pictures[:TRAINED]], axis=0)
    made = {
        "unchanged": list(held_out),
        "average": [Image.fromarray(average.astype(np.uint8))] * len(held_out),
        "base": [one.image for one in finish(generate(base, request))],
        "adapter": [one.image for one in finish(generate(base, request, Stack((StackEntry(trained.adapter),))))],
    }
    wanted = [np.asarray(drawn(picture), np.float64) for picture in held_out]
    return {
        name: np.array(
            [np.abs(np.asarray(image, np.float64) - true).mean() for image, true in zip(images, wanted, strict=True)]
        )
        for name, images in made.items()
    }


def test_it_comes_nearer_to_the_true_drawings_than_the_base_and_the_pictures_themselves(
    distances: dict[str, np.ndarray],
) -> None:
    """And nearer than the average of the drawings that it was trained on, which knows nothing of the picture."""
    assert (distances["adapter"] < distances["base"]).all()
    assert distances["adapter"].mean() < 0.5 * min(distances["base"].mean(), distances["unchanged"].mean())
    assert distances["adapter"].mean() < 0.9 * distances["average"].mean()

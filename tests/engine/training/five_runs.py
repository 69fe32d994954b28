"""The memory of a process after each of six runs of a tiny base model, for test_memory.py; prints JSON, in MiB."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path

from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from many_records import mebibytes
from PIL import Image
from tiny import save_tiny_sd1


def run(folder: Path, seed: int) -> float:
    """Load the base model, train with new pictures and sample pictures, and leave nothing; gives the memory then."""
    colors = [(seed, 0, 0), (0, seed, 0), (0, 0, seed)]
    dataset = dataset_from_images([Image.new("RGB", (32, 32), color) for color in colors], ["a thing"] * 3, "colors")
    recipe = Recipe.of(
        steps=30, learning_rate=1e-3, rank=4, alpha=4, batch_size=2, save_every=10, sample_every=10,
        sample_prompts=("a thing",),
    )  # fmt: skip
    base = load_base(folder / "base", device="cpu")
    for _ in train_adapter(base, dataset, recipe, seed=seed, store=RunStore(folder / "store"), name="five"):
        pass
    del base
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the C library keeps for the next run is no leak
    return mebibytes("VmRSS")


if __name__ == "__main__":
    save_tiny_sd1(Path(sys.argv[1]) / "base")
    print(json.dumps([run(Path(sys.argv[1]), seed) for seed in range(1, 7)]))

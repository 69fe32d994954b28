"""How much memory and time a run takes with many records, for test_memory.py; prints JSON.

Every record is another crop of one picture. One of them is encoded, and its latent, of SDXL's size, is linked into the
cache under the keys of all others: so 10,000 take the space of one on the disk, and 2.6 GB if they are held in memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from lora_workbench.engine.core.cache import TensorCache
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.core.keys import content_key
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.views import Crop, View
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training import held
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from tiny import save_tiny_sd1

SIDE = 512
"""Of the crops: with four pixels to a latent pixel, latents are (4, 128, 128)."""


def small_base(folder: Path) -> Backbone:
    """A tiny base model whose steps on large latents take little time."""
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=128, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(4, 4, 4, 4),
        cross_attention_dim=32, attention_head_dim=2, norm_num_groups=4,
        down_block_types=(*["DownBlock2D"] * 3, "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", *["UpBlock2D"] * 3),
    ).save_pretrained(save_tiny_sd1(folder) / "unet")  # fmt: skip
    return load_base(folder, device="cpu")


def mebibytes(name: str) -> float:
    """A figure of this process's memory: VmRSS for now, VmHWM for its highest; in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(dict(line.split(":") for line in lines)[name].split()[0]) / 1024


def crops(count: int) -> Dataset:
    """One picture in many crops, each with a caption of its own."""
    picture = Image.linear_gradient("L").resize((1024, 1024)).convert("RGB")
    record = dataset_from_images([picture], ["x"], "crops").records[0]
    boxes = [(i % 100, i // 100, 800 + i % 100, 800 + i // 100) for i in range(count)]
    records = tuple(
        type(record)(
            source=record.source, content_hash=record.content_hash, width=1024, height=1024,
            caption=f"zwx thing, number {i}", crops=(Crop(box=box, size=(SIDE, SIDE)),),
        )
        for i, box in enumerate(boxes)
    )  # fmt: skip
    return Dataset(name="crops", records=records, trigger=TriggerWord(word="zwx", class_word="thing"))


def fill(cache: TensorCache, base: Backbone, dataset: Dataset) -> None:
    """Link the entries of the first record, which are in the cache, under the keys of all others."""
    about = base.info.content_hash
    keys = [
        (
            content_key("latent", record.content_hash, View(crop=record.crops[0]), about),
            content_key("embedding", record.caption, about),
        )
        for record in dataset
    ]
    for number, first in enumerate(keys[0]):
        source = next(cache.folder.rglob(f"{first}.*"))
        for key in dict.fromkeys(of_record[number] for of_record in keys[1:]):
            place = cache.folder / key[:2] / source.name.replace(first, key)
            place.parent.mkdir(exist_ok=True)
            os.link(source, place)


def train(base: Backbone, dataset: Dataset, store: RunStore, steps: int) -> list[StepDone]:
    recipe = Recipe.of(steps=steps, learning_rate=1e-3, rank=2, alpha=2, batch_size=4, save_every=1000)
    events = train_adapter(base, dataset, recipe, seed=steps, store=store, name="many")
    return [event for event in events if isinstance(event, StepDone)]


def main(folder: Path, records: int, steps: int, share: int) -> None:
    """Train ``steps`` on ``records``, with one part in ``share`` of the free memory for what is encoded."""
    held.SHARE = share
    base, store, dataset = small_base(folder / "base"), RunStore(folder / "store"), crops(records)
    train(base, Dataset(name="one", records=dataset.records[:1]), store, steps=2)
    fill(store.encoded, base, dataset)
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before = mebibytes("VmRSS")
    began = time.monotonic()
    events = train(base, dataset, store, steps)
    seconds = time.monotonic() - began - sum(event.seconds for event in events)
    after = {"grown": mebibytes("VmHWM") - before, "outside_steps": seconds}
    print(json.dumps(after | {"losses": [event.loss for event in events]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))

"""A batch of 200 pictures, 10 stacks x 2 prompts x 10 seeds, beside loops over `LW_Generate`, in one run.

    python benchmarks/batch_generation.py

The first loop calls it once a picture, as graphs do that are queued again and again; the second once a stack, with both
prompts and all seeds, which takes a graph with ten nodes. Both save their pictures as PNG files with metadata, as Save
Images does. All take turns in one process on the demo base, with adapters of rank 8 on all attention projections, in
every second one of the text encoder too. Seconds are the processor's. Their pictures are compared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.batches.axes import adapters_axis, plain_axis
from lora_workbench.engine.batches.jobs import Job
from lora_workbench.engine.batches.running import Batch, draw_batch
from lora_workbench.engine.batches.sweep import Sweep
from lora_workbench.engine.core.resources import ASSETS
from lora_workbench.engine.generation.batch import GeneratedImage, GenerationRequest, generate
from lora_workbench.engine.generation.png import save_png
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base

PROMPTS = ("an emoji of a fox on a teal background", "an emoji of a rocket on a white background")
RANK = 8


def adapter(base: Backbone, number: int) -> Adapter:
    generator, modules = torch.Generator().manual_seed(number), {}
    for key, shape in base.module_shapes().items():
        trained = key.startswith("denoiser.") or number % 2
        if trained and len(shape) == 2 and key.endswith(("to_q", "to_k", "to_v", "to_out.0", "q_proj", "v_proj")):
            up = torch.randn(shape[0], RANK, generator=generator) * 0.02
            modules[key] = LowRank(up=up, down=torch.randn(RANK, shape[1], generator=generator), alpha=float(RANK))
    return Adapter(name=f"adapter{number}", family=base.info.family, modules=modules)


def finish(events: Any) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as finished:
            return finished.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stacks", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    base = load_base(ASSETS / "demo_base", device="cpu", precision="fp32")
    stacks = [Stack((StackEntry(adapter(base, number)),)) for number in range(options.stacks)]
    for stack in stacks:
        stack.content_hash  # noqa: B018 - as after the first queueing, for all ways alike
    ways = _ways(base, stacks, tuple(range(options.seeds)), options.steps, options.batch_size)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    pictures: dict[str, list[GeneratedImage]] = {}
    finish(generate(base, GenerationRequest(prompts=PROMPTS, steps=1)))
    for _ in range(options.rounds):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                begun = time.process_time()
                drawn = way(Path(folder))
                seconds[name].append(time.process_time() - begun)
                pictures[name] = list(drawn)
    _tell(seconds, pictures)


def _ways(
    base: Backbone, stacks: Sequence[Stack], seeds: tuple[int, ...], steps: int, batch_size: int
) -> dict[str, Callable[[Path], Sequence[GeneratedImage]]]:
    common: dict[str, Any] = {"steps": steps, "guidance": 3.0, "batch_size": batch_size}

    def save(drawn: Sequence[GeneratedImage], folder: Path) -> Sequence[GeneratedImage]:
        for number, one in enumerate(drawn):
            parameters = {"prompt": one.prompt, "seed": one.seed, "adapters": one.label}
            save_png(one.image, folder / f"{one.label} {one.prompt} {one.seed} {number}.png", parameters=parameters)
        return drawn

    def one_by_one(folder: Path) -> Sequence[GeneratedImage]:
        asked = [(stack, prompt, seed) for stack in stacks for prompt in PROMPTS for seed in seeds]
        found: list[GeneratedImage] = []
        for stack, prompt, seed in asked:
            drawn = finish(generate(base, GenerationRequest(prompts=(prompt,), seeds=(seed,), **common), stack))
            found += save(drawn, folder)
        return found

    def by_stack(folder: Path) -> Sequence[GeneratedImage]:
        request = GenerationRequest(prompts=PROMPTS, seeds=seeds, **common)
        return [one for stack in stacks for one in save(finish(generate(base, request, stack)), folder)]

    def batch(folder: Path) -> Sequence[GeneratedImage]:
        sweep = Sweep().adding(adapters_axis([stack.entries for stack in stacks], without=False))
        swept = sweep.within(plain_axis("prompt", PROMPTS), plain_axis("seed", seeds))
        jobs = swept.jobs(Job(steps=steps, guidance=3.0))
        return list(finish(draw_batch(base, Batch(name="bench", jobs=jobs, folder=folder, batch_size=batch_size))))

    return {"one call a picture": one_by_one, "one call a stack": by_stack, "batch": batch}


def _tell(seconds: dict[str, list[float]], pictures: dict[str, list[GeneratedImage]]) -> None:
    ours, drawn = min(seconds["batch"]), pictures["batch"]
    print(f"{len(drawn)} pictures, {torch.get_num_threads()} thread(s)")
    for name, taken in seconds.items():
        apart = max(
            int(np.abs(np.asarray(one.image, int) - np.asarray(other.image, int)).max())
            for one, other in zip(pictures[name], drawn, strict=True)
        )
        fastest = min(taken)
        print(f"{name:20} {fastest:7.1f} s  {fastest / ours:5.2f} x batch  pixels differ by at most {apart} of 255")


if __name__ == "__main__":
    main()

"""A training step on the demo base beside what the frozen model alone takes: the least that any trainer can reach.

    python benchmarks/step_floor.py

The recipe's batch at 64 px, float32: adapters of rank 16 on attention, without class pictures, text encoder frozen,
which is what diffusers' script trains too (`benchmarks/methods.py --script` has its steps). The floor is one prediction
of the denoiser and its gradient with respect to the noisy latents, without any adapter, loss or update. Both in turn in
one process, medians.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STEPS, WARM_UP = 40, 5


def our_steps(base: Any) -> list[float]:
    from lora_workbench.engine.core.events import StepDone
    from lora_workbench.engine.data.loading import load_dataset
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.suggestions import suggest

    dataset = load_dataset(ROOT / "assets" / "datasets" / "fox")
    recipe = suggest("subject", len(dataset), base.info)
    recipe = recipe.changed(steps=STEPS, targets="attention", train_text_encoder=False, prior_weight=0.0)
    with tempfile.TemporaryDirectory() as store:
        run = train_adapter(base, dataset, recipe, seed=0, store=RunStore(Path(store)), name="fox")
        return [event.seconds for event in run if isinstance(event, StepDone)]


def floor(base: Any, batch: int) -> Iterator[float]:
    import torch

    side = base.info.resolution // base.info.latent_factor
    noisy = torch.randn(batch, base.info.latent_channels, side, side).requires_grad_()
    with torch.no_grad():
        conditioning = base.encode_prompts(["an emoji of a zwx animal on a white background"] * batch)
    for _ in range(STEPS):
        began = time.perf_counter()
        base.predict(noisy, base.timesteps(torch.rand(batch)).t, conditioning).square().mean().backward()
        yield time.perf_counter() - began


def main() -> None:
    import torch
    from lora_workbench.engine.models.registry import load_base

    base = load_base(ROOT / "assets" / "demo_base", device="cpu", precision="fp32")
    floors = [*floor(base, 8)]
    ours = our_steps(base)
    floors += floor(base, 8)
    least, step = statistics.median(floors), statistics.median(ours[WARM_UP:])
    print(
        f"{torch.get_num_threads()} threads: frozen model {least * 1000:.0f} ms, a step {step * 1000:.0f} ms, ", end=""
    )
    print(f"{step / least:.2f} times as long")


if __name__ == "__main__":
    main()

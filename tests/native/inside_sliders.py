"""Run by ComfyUI's own Python: a slider on its model of the demo base, beside the same one on diffusers'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfyui_process import main
from inside_backbone import demo, difference, diffusers_demo, finished, snapshot

STEPS = 6


def slider_run(base: Any, folder: str) -> Any:
    """A slider from two prompts, learned on pictures that don't depend on the base model."""
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.slider import PromptSlider
    from lora_workbench.engine.training.slider_recipe import suggest_slider
    from PIL import Image

    neutral = "an emoji of a red apple on a gray background"
    ends = PromptSlider(
        positive="an emoji of a thing on a black background", negative="an emoji of a thing on a white background",
        neutral=(neutral,), preserve=("noto style", "twemoji style"), guidance=0.7,
    )  # fmt: skip
    pictures = [Image.new("RGB", (64, 64), color) for color in ("gray", "silver", "dimgray")]
    dataset = dataset_from_images(pictures, [neutral] * 3, "grays")
    recipe = suggest_slider(base.info).changed(steps=STEPS, batch_size=2, warmup_steps=0, learning_rate=1e-3)
    return finished(
        train_adapter(base, dataset, recipe, seed=3, store=RunStore(Path(folder)), name="dark", slider=ends)
    )


def trained() -> dict[str, Any]:
    """The same slider by both backbones, its effect at negative weight on each, and what became of the model."""
    import torch
    from lora_workbench.engine.adapters.applying import applied
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    ours, theirs = demo(), diffusers_demo()
    before = snapshot(ours)
    runs = [slider_run(base, name) for base, name in ((ours, "native"), (theirs, "diffusers"))]
    changed = [name for name, tensor in snapshot(ours).items() if not torch.equal(tensor, before[name])]
    x_t = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    predicted: dict[float, list[Any]] = {}
    for weight in (-1.0, 0.0, 1.0):
        predicted[weight] = []
        for base, run in zip((ours, theirs), runs, strict=True):
            with torch.no_grad(), applied(base, Stack((StackEntry(run.adapter, weight, weight),))):
                prompt = base.encode_prompts(["an emoji of a red apple"] * 2)
                levels = base.timesteps(torch.tensor([0.3, 0.8]))
                predicted[weight].append(base.predict(x_t, levels.t, prompt))
    down, plain, up = (predicted[weight][0] for weight in (-1.0, 0.0, 1.0))
    return {
        "losses_apart": max(abs(a - b) for a, b in zip(runs[0].losses, runs[1].losses, strict=True)),
        "predictions_apart": max(difference(native, other) for native, other in predicted.values()),
        "moved": difference(up, plain),
        "opposite": float(torch.nn.functional.cosine_similarity((up - plain).flatten(), (down - plain).flatten(), 0)),
        "changed": changed,
    }


if __name__ == "__main__":
    main({"trained": trained})

"""Run by ComfyUI's own Python: preservation on its model of the demo base, beside the same run on diffusers' one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from comfyui_process import main
from inside_backbone import demo, diffusers_demo, finished, snapshot

STEPS = 6


def run_on(base: Any, folder: str, text_encoder: bool) -> Any:
    """All ways at once, on captions of other lengths than those of the class and the empty one."""
    from lora_workbench.engine.data.dataset import TriggerWord
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.data.masking import with_masks
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.recipe import Recipe
    from PIL import Image

    pictures = [Image.new("RGB", (64, 64), color) for color in ("gray", "silver", "teal")]
    captions = ["an emoji of a zwx animal", "a zwx animal on a white background", "zwx"]
    dataset = dataset_from_images(pictures, captions, "grays")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    masked = finished(with_masks(dataset, "files", 0.1, [mask])).dataset
    recipe = Recipe.of(
        steps=STEPS, batch_size=2, warmup_steps=0, learning_rate=1e-3, rank=4, alpha=4, snr_gamma=0.0,
        output_preservation=1.0, blank_preservation=1.0, mask_preservation=1.0, train_text_encoder=text_encoder,
    )  # fmt: skip
    named = replace(masked, trigger=TriggerWord(word="zwx", class_word="animal"))
    return finished(train_adapter(base, named, recipe, seed=3, store=RunStore(Path(folder)), name="gray"))


def trained() -> dict[str, Any]:
    """How far the parts of the losses are apart by both backbones, and what became of the model."""
    import torch

    ours, theirs = demo(), diffusers_demo()
    before, apart, first = snapshot(ours), {}, []
    for text_encoder in (False, True):
        native, other = (
            run_on(base, f"{name} {text_encoder}", text_encoder)
            for base, name in ((ours, "native"), (theirs, "diffusers"))
        )
        for part, values in native.parts.items():
            far = max(abs(a - b) for a, b in zip(values, other.parts[part], strict=True))
            apart[f"{part} {text_encoder}"] = far / max(values)
        first += [values[0] for part, values in native.parts.items() if part != "subject"]
    changed = [name for name, tensor in snapshot(ours).items() if not torch.equal(tensor, before[name])]
    return {"apart": apart, "first": first, "changed": changed}


if __name__ == "__main__":
    main({"trained": trained})

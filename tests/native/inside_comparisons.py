"""Run by ComfyUI's own Python: snapshots compared on its models, and its vision models as feature spaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comfyui_process import main
from inside_backbone import demo, diffusers_demo, finished, fox_run

VISION = {
    "model_type": "clip_vision_model", "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2,
    "intermediate_size": 64, "hidden_act": "quick_gelu", "num_channels": 3, "image_size": 32, "patch_size": 8,
    "projection_dim": 16, "layer_norm_eps": 1e-5,
}  # fmt: skip


def vision_model() -> Any:
    """A CLIP_VISION with random weights."""
    import torch
    from comfy.clip_vision import ClipVisionModel

    config = Path("vision.json")
    config.write_text(json.dumps(VISION), encoding="utf-8")
    made = ClipVisionModel(str(config))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return made


def compared() -> dict[str, Any]:
    """The snapshots of a short training on the demo base, drawn by both backbones."""
    import numpy as np
    from lora_workbench.engine.runs.comparing import ComparisonRequest, compare_snapshots
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.nodes.native import feature_space

    ours, theirs = demo(), diffusers_demo()
    run, _ = fox_run(ours, "native", 8, snapshot_every=4, learning_rate=5e-3, warmup_steps=0)
    space = feature_space(vision_model())

    def draw(base: Any, store: str, **changes: Any) -> Any:
        request = ComparisonRequest(captions=1, steps=4, **changes)
        chosen = run.snapshots.snapshots
        return finished(compare_snapshots(base, run.snapshots, chosen, request, RunStore(Path(store))))

    def pixels(found: Any) -> list[Any]:
        return [np.asarray(own.image, np.float32) for column in found.columns for own in column]

    native, other = draw(ours, "native"), draw(theirs, "diffusers")
    again = draw(ours, "native", space=space)
    anew = draw(ours, "another")
    pictures, pictures_too = pixels(native), pixels(other)
    one, two = space.describe([native.columns[0][0].image, native.columns[0][1].image])
    return {
        "steps": native.course.steps,
        "apart": max(float(np.abs(a - b).mean()) for a, b in zip(pictures, pictures_too, strict=True)),
        "moved": float(np.abs(pictures[0] - pictures[-len(native.columns[0])]).mean()),
        "by_looks": native.course.facts()[-1],
        "by_looks_too": other.course.facts()[-1],
        "by_vision": again.course.facts()[-1],
        "same_pictures": again.course.drawn == native.course.drawn,
        "lengths": [float(one @ one), float(two @ two)],
        "different": float(one @ two),
        "redrawn": all(map(np.array_equal, pictures, pixels(anew))),
    }


if __name__ == "__main__":
    main({"compared": compared})

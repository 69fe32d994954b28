"""Run by ComfyUI's own Python: what it makes of the small checkpoints."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

from checkpoints import FAMILIES, families, save
from comfyui_process import main
from inside_demo import collect_messages


def tried(name: str, folder: str) -> dict[str, Any]:
    """A checkpoint loaded by detection, and two steps of the stock sampler with it at 64 px."""
    import torch

    import nodes

    start = time.monotonic()
    messages = collect_messages()
    with torch.inference_mode():
        model, clip, vae = families()[name](Path(folder))
        loaded = time.monotonic() - start
        positive, negative = (nodes.CLIPTextEncode().encode(clip, text)[0] for text in ("a red apple", ""))
        empty = {"samples": torch.zeros(1, FAMILIES[name].latent_channels, 8, 8)}
        latent = nodes.common_ksampler(model, 0, 2, 3.0, "euler", "simple", positive, negative, empty)[0]["samples"]
        picture = vae.decode(latent)
        encoded = vae.encode(picture)
    return {
        "config": type(model.model.model_config).__name__,
        "messages": [text for text in messages if "missing" in text.lower() or "unexpected" in text.lower()],
        "conditioning": list(positive[0][0].shape),
        "latent": list(latent.shape),
        "encoded": list(encoded.shape),
        "picture": list(picture.shape),
        "finite": all(bool(t.isfinite().all()) for t in (positive[0][0], latent, picture, encoded)),
        "spread": latent.std().item(),
        "parameters": sum(p.numel() for p in model.model.parameters()),
        "megabytes": (Path(folder) / f"{name}.safetensors").stat().st_size / 1e6,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "seconds": [loaded, time.monotonic() - start],
    }


def recognized(folder: str, *names: str) -> list[str]:
    """The families of checkpoints by their headers, as the route tells them."""
    import folder_paths
    from lora_workbench.nodes.routes.bases import bases
    from lora_workbench.nodes.routes.table import Asked

    folder_paths.add_model_folder_path("diffusion_models", folder)
    told = bases(Asked({"names": "\n".join(save(name, Path(folder)).name for name in names)}))
    return [base["family"] for base in json.loads(told.content)["bases"]]


if __name__ == "__main__":
    main({"tried": tried, "recognized": recognized})

"""Run by ComfyUI's own Python: adapters of hosted trainers in ComfyUI's loader, beside the files that were sent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from comfyui_process import main
from hosted_standins import ADDRESSES, STAND_INS, VARIABLES
from inside_demo import collect_messages
from inside_patches import weights
from tiny_families import loaded

RANK, ALPHA = 2, 3.0
Spelling = Callable[[str, str], str]
"""Stem of a layer's name, and the part -> name of a tensor."""


def peft(stem: str, part: str) -> str:
    return f"{stem}.lora_{'A' if part == 'down' else 'B'}.weight"


def kohya(stem: str, part: str) -> str:
    return f"{stem}.lora_{part}.weight"


class Case(NamedTuple):
    """What a provider sends."""

    provider: str
    trainer: str
    model: str
    """Of ``tiny_families``."""
    begins: tuple[str, ...]
    """Of the layers' names, as this provider writes them."""
    spelling: Spelling
    alphas: str = ""
    """Where its alpha stands: in ``tensors``, in the ``header``, or nowhere: it is the rank then."""


CASES: Mapping[str, Case] = {
    "replicate, FLUX.1": Case("replicate", "", "flux_dev", ("transformer.",), peft),
    "fal, FLUX.1 with alpha in the header": Case("fal", "", "flux_dev", ("transformer.",), peft, "header"),
    "civitai, SDXL with text encoders": Case(
        "civitai", "sdxl", "sdxl", ("lora_unet_", "lora_te1_", "lora_te2_"), kohya, "tensors"
    ),
    "civitai, Z-Image with ComfyUI's names": Case("civitai", "zimagebase", "z_image", ("diffusion_model.",), peft),
}


def tables(model: Any, clip: Any) -> dict[str, Any]:
    """Name of a layer in files -> the weight that it is, with the rows of it where it is one part; by ComfyUI."""
    import comfy.lora

    return {
        **comfy.lora.model_lora_keys_unet(model.model, {}),
        **comfy.lora.model_lora_keys_clip(clip.cond_stage_model, {}),
    }


class Layer(NamedTuple):
    """A linear layer as files have it, in ComfyUI's weights."""

    weight: str
    rows: tuple[int, int, int] | None
    """Dimension, start and length, of a part; ``None`` for all."""
    order: Callable[[Any], Any]
    """Gives the rows in ComfyUI's order."""
    shape: list[int]
    """As in files."""


def layers_of(case: Case, table: Mapping[str, Any], shapes: Mapping[str, Any]) -> dict[str, Layer]:
    """By stem, each once."""
    found: dict[str, Layer] = {}
    seen = set()
    for stem, target in table.items():
        weight, rows, *functions = target if isinstance(target, tuple) else (target, None)
        if not stem.startswith(case.begins) or len(shapes.get(weight, ())) != 2 or (weight, rows) in seen:
            continue
        seen.add((weight, rows))
        shape = list(shapes[weight])
        if rows:
            if rows[1] + rows[2] > shape[rows[0]]:
                continue  # ComfyUI's table takes feed-forward layers of FLUX to be four times as wide
            shape[rows[0]] = rows[2]
        found[stem] = Layer(weight, rows, functions[0] if functions else lambda part: part, shape)
    return found


def sent(case: Case, layers: Mapping[str, Layer]) -> tuple[bytes, dict[str, Any]]:
    """The file of a provider, and by weight what alpha / rank * B A adds to it."""
    import torch
    from safetensors.torch import save

    generator, tensors, added = torch.Generator().manual_seed(0), {}, {}
    scale = ALPHA / RANK if case.alphas else 1.0
    for stem, layer in layers.items():
        up = torch.randn(layer.shape[0], RANK, generator=generator)
        down = torch.randn(RANK, layer.shape[1], generator=generator)
        tensors |= {case.spelling(stem, "up"): up, case.spelling(stem, "down"): down}
        if case.alphas == "tensors":
            tensors[f"{stem}.alpha"] = torch.tensor(ALPHA)
        added.setdefault(layer.weight, []).append((layer.rows, layer.order(scale * up @ down)))
    header = {"transformer.r": RANK, "transformer.lora_alpha": ALPHA}
    metadata = {"lora_adapter_metadata": json.dumps(header)} if case.alphas == "header" else None
    return save(tensors, metadata=metadata), added


def comes_back(name: str, folder: str) -> dict[str, Any]:
    """What ComfyUI's loader makes of the file that is kept of a hosted training."""
    import comfy.sd
    import comfy.utils
    import torch

    case, place = CASES[name], Path(folder)
    model, clip, _ = loaded(case.model)
    state = {**model.model.state_dict(), **clip.cond_stage_model.state_dict()}
    layers = layers_of(case, tables(model, clip), {key: tensor.shape for key, tensor in state.items()})
    file, added = sent(case, layers)
    path = ordered(case, file, place)
    messages = collect_messages()
    with torch.inference_mode():
        tensors = comfy.utils.load_torch_file(str(path))
        patched, text = comfy.sd.load_lora_for_models(model, clip, tensors, 1.0, 1.0)
        now = {**weights(patched), **weights(text.patcher)}
    return {
        "unmatched": [message for message in messages if "not loaded" in message.lower()],
        "layers": len(layers), "begins": sorted({stem.split("_")[1] for stem in layers if stem.startswith("lora_te")}),
        "same_weights": now.keys() == added.keys(),
        "size": max(float(part.abs().max()) for parts in added.values() for _, part in parts),
        "apart": max(distance(now[key], state[key], parts) for key, parts in added.items()),
    }  # fmt: skip


def distance(now: Any, before: Any, parts: list[tuple[Any, Any]]) -> float:
    """Between what was added to a weight and what should have been."""
    expected = before.float().clone()
    for rows, part in parts:
        (expected.narrow(*rows) if rows else expected).add_(part)
    return float((now - expected).abs().max())


def ordered(case: Case, file: bytes, folder: Path) -> Path:
    """The file that is kept of a training at a stand-in which gives ``file``."""
    from dataclasses import replace

    from hosted_orders import Ordering
    from lora_workbench.engine.data.dataset import TriggerWord
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.runs.store import RunStore
    from PIL import Image

    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    dataset = replace(dataset_from_images(pictures, ["zwx fox"] * 2, "fox"), trigger=TriggerWord(word="zwx"))
    with STAND_INS[case.provider](file).running() as standin:
        os.environ |= {VARIABLES[case.provider]: standin.token, ADDRESSES[case.provider]: standin.url}
        train = Ordering(case.provider, dataset, RunStore(folder / "store"))
        path = train(trainer=case.trainer).adapter.path
    assert path
    return path


def every(folder: str) -> dict[str, Any]:
    return {name: comes_back(name, folder) for name in CASES}


if __name__ == "__main__":
    main({"every": every})

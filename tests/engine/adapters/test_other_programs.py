"""Our files in the programs that people load them with."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from generators import result
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.binding import adaptable
from lora_workbench.engine.adapters.converting import converted
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import KINDS, Decomposed
from lora_workbench.engine.adapters.kinds.dora import norms
from lora_workbench.engine.adapters.renaming import renamed
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.models.registry import load_base
from tiny import TINY, Parts

if TYPE_CHECKING:
    from lora_workbench.engine.models.contract import Backbone
    from torch import Tensor, nn


def outputs(unet: nn.Module, text_encoder: nn.Module) -> tuple[Tensor, Tensor]:
    """Of the text encoder on fixed tokens, and of the denoiser on fixed noise and those embeddings."""
    import torch

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 4, 8, 8, generator=generator)
    with torch.no_grad():
        embeddings = text_encoder(torch.arange(16).repeat(2, 1))[0]
        return embeddings, unet(noise, torch.tensor([10, 500]), embeddings).sample


def decomposed(adapter: Adapter, components: Parts) -> Adapter:
    """The adapter with magnitudes, as training here makes it."""
    import torch

    layers, generator = adaptable(components), torch.Generator().manual_seed(0)
    modules = {}
    for key, turn in adapter.modules.items():
        weight = layers[key].weight.detach()
        magnitude = norms(weight) * (1 + 0.3 * torch.randn(norms(weight).shape, generator=generator))
        modules[key] = Decomposed(turn, magnitude).for_comfyui(lambda weight=weight: weight)
    return replace(adapter, modules=modules)


@pytest.mark.parametrize("kind", ["lora", "dora as lora", "with names of diffusers"])
def test_diffusers_loads_every_key_and_draws_the_same(
    kind: str, tmp_path: Path, make_adapter: Any, components: Parts
) -> None:
    import torch
    from diffusers import StableDiffusionPipeline
    from peft.tuners.lora import LoraLayer

    path = tmp_path / "fox.safetensors"
    made = make_adapter()
    if kind == "dora as lora":  # diffusers leaves ``dora_scale`` out
        made = result(converted(decomposed(made, components), "plain LoRA", base=components, rank=64)).adapter
    if kind == "with names of diffusers":
        made = renamed(made, "diffusers")
    adapter = save_adapter(made, path, key_style=made.key_style)
    plain = outputs(components["denoiser"], components["text_encoder"])
    with applied(components, Stack((StackEntry(adapter),))):
        ours = outputs(components["denoiser"], components["text_encoder"])

    parts = {"vae": None, "tokenizer": None, "scheduler": None, "safety_checker": None, "feature_extractor": None}
    unet, text_encoder = (copy.deepcopy(components[name]) for name in ("denoiser", "text_encoder"))
    pipeline = StableDiffusionPipeline(
        unet=unet,
        text_encoder=text_encoder,
        requires_safety_checker=False,
        **parts,  # type: ignore[arg-type]
    )
    pipeline.load_lora_weights(str(tmp_path), weight_name=path.name)
    layers = [m for part in (unet, text_encoder) for m in part.modules() if isinstance(m, LoraLayer)]
    assert len(layers) == len(adapter.modules)
    for found, expected, base in zip(outputs(pipeline.unet, pipeline.text_encoder), ours, plain, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        assert (expected - base).abs().max() > 0.05


# Runs in ComfyUI's own Python. It takes the adapter file, the true updates and the depth of each level's transformers,
# and prints what its loader makes of it.
IN_COMFYUI = """
import json, logging, sys
sys.path.insert(0, sys.argv[1])
arguments, sys.argv = sys.argv, [sys.argv[0], "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import comfy.lora, comfy.lora_convert, comfy.utils, torch
from types import SimpleNamespace

unmatched = []
listener = logging.Handler()
listener.emit = lambda record: unmatched.append(str(record.msg))
logging.getLogger().addHandler(listener)
outer, inner = map(int, arguments[4:6])
config = {
    "model_channels": 32, "channel_mult": [1, 2], "num_res_blocks": [1, 1], "transformer_depth": [outer, inner],
    "transformer_depth_output": [outer, outer, inner, inner], "transformer_depth_middle": max(outer, inner),
}
names = comfy.utils.unet_to_diffusers(config)
encoders = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}
layer = "{}.transformer.text_model.encoder.layers.{}.{}.weight"
clip_weights = {
    layer.format(clip, i, name): f"{component}.encoder.layers.{i}.{name}.weight"
    for clip, component in encoders.items() for i in range(2) for name in comfy.lora.LORA_CLIP_MAP
}
unet = SimpleNamespace(
    state_dict=lambda: {"diffusion_model." + name: None for name in names.values()},
    model_config=SimpleNamespace(unet_config=config),
)
keys = comfy.lora.model_lora_keys_unet(unet, {})
keys = comfy.lora.model_lora_keys_clip(SimpleNamespace(state_dict=lambda: clip_weights), keys)
file = comfy.lora_convert.convert_lora(comfy.utils.load_torch_file(arguments[2], safe_load=True))
patches = comfy.lora.load_lora(file, keys)

truth = comfy.utils.load_torch_file(arguments[3], safe_load=True)
ours = {"diffusion_model." + comfy_name: "denoiser." + name for name, comfy_name in names.items()}
ours |= clip_weights
worst = 0.0
for key, patch in patches.items():
    expected = truth[ours[key].removesuffix(".weight")]
    weight = comfy.lora.calculate_weight([(1.0, patch, 1.0, None, None)], torch.zeros_like(expected), key)
    worst = max(worst, (weight - expected).abs().max().item())
print(json.dumps({"patches": len(patches), "unmatched": unmatched, "worst": worst}))
"""


def whole_adapter(base: Backbone) -> Adapter:
    """With random factors for every layer of the largest presets, as a training makes them."""
    import torch

    info = base.info
    targets = {"denoiser": info.target_presets["all_layers"]}
    targets |= dict.fromkeys(base.text_encoder_names, info.text_target_presets["all_layers"])
    with injected(KINDS.get("lora"), base.load_components(), targets, rank=2, alpha=1.0, seed=0) as injection:
        with torch.no_grad():
            for parameter in injection.parameters.values():
                parameter.normal_(std=0.3)
        return Adapter(name="fox", family=info.family, modules=injection.result(), key_style=info.key_style)


@pytest.mark.comfyui
@pytest.mark.parametrize(("family", "depths"), [("sd1", ("1", "0")), ("sdxl", ("0", "2"))])
def test_comfyui_matches_every_key_at_the_right_strength(tmp_path: Path, family: str, depths: tuple[str, str]) -> None:
    from safetensors.torch import save_file

    base = load_base(TINY[family](tmp_path / family), device="cpu", precision="fp32")
    adapter = save_adapter(whole_adapter(base), tmp_path / "fox.safetensors", key_style="kohya")
    save_file(
        {key.replace(".text_model.", "."): update.delta().contiguous() for key, update in adapter.modules.items()},
        tmp_path / "truth.safetensors",
    )
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    files = [str(tmp_path / "fox.safetensors"), str(tmp_path / "truth.safetensors")]
    command = [python, "-c", IN_COMFYUI, os.environ["COMFYUI_PATH"], *files, *depths]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["unmatched"] == []
    assert report["patches"] == len(adapter.modules)
    assert report["worst"] < 1e-5

"""Run by ComfyUI's own Python: what its stock loaders make of trained and extracted files, and of models as bases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from checkpoints import CLIP_LAYERS, save
from comfyui_process import main
from inside_backbone import finished
from inside_demo import apart, collect_messages
from inside_patches import drawn

PROMPT = "a zwx thing"


def configuration(folder: Path) -> Path:
    """The sizes of the small checkpoint, laid out as a diffusers folder without weights."""
    from lora_workbench.engine.models.families.sd1 import FAMILY

    assert FAMILY.config
    shutil.copytree(FAMILY.config, folder)
    changes = {
        "unet": {
            "block_out_channels": [320] * 3, "layers_per_block": 1, "sample_size": 8, "cross_attention_dim": 768,
            "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"], "attention_head_dim": 8,
        },
        "text_encoder": {"num_hidden_layers": CLIP_LAYERS["clip_l_model_config"]["num_hidden_layers"]},
    }  # fmt: skip
    for part, own in changes.items():
        file = folder / part / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | own))
    return folder


def trained(folder: str) -> dict[str, Any]:
    """A small checkpoint after two steps of all weights, saved, and loaded by ComfyUI and by diffusers' classes."""
    import comfy.model_management
    import comfy.sd
    import torch
    from comfy.cli_args import args
    from lora_workbench.engine.checkpoints.saving import save_checkpoint
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.models.families import sd1
    from lora_workbench.engine.runs.dreambooth import train_dreambooth
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.training.recipe import Recipe
    from PIL import Image

    place = Path(folder)
    config = configuration(place / "config")
    base = sd1.load(save("sd15", place), device="cpu", precision="fp32", config=config)
    dataset = dataset_from_images([Image.new("RGB", (64, 64), "red")], [PROMPT], "reds")
    recipe = Recipe.of(steps=2, learning_rate=1e-4, warmup_steps=0, train_text_encoder=True)
    made = finished(train_dreambooth(base, dataset, recipe, seed=1, store=RunStore(place / "store"), name="reds")).base
    file = save_checkpoint(made, place / "reds.safetensors", dtype="float32", name="reds")
    args.fp32_text_enc = True  # by itself, ComfyUI rounds text encoders to 16 bits
    messages = collect_messages()
    options = {key: dict(sizes) for key, sizes in CLIP_LAYERS.items()}
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    times = torch.tensor([250, 700])
    with torch.inference_mode():
        model, clip, vae = comfy.sd.load_checkpoint_guess_config(str(file), te_model_options=options)[:3]
        comfy.model_management.load_models_gpu([model])
        states = clip.encode_from_tokens(clip.tokenize(PROMPT))
        predicted = model.model.diffusion_model(x, times.float(), context=states.repeat(2, 1, 1))
        decoded = vae.decode(x / 0.18215)
    with torch.no_grad():
        own = made.encode_prompts([PROMPT] * 2)
        expected, before = made.predict(x, times, own), base.predict(x, times, base.encode_prompts([PROMPT] * 2))
        pictures = made.decode(x)
    return {
        "messages": [text for text in messages if "missing" in text.lower() or "unexpected" in text.lower()],
        "states": apart(states, own["states"][:1]),
        "predict": apart(predicted, expected),
        "decode": apart(decoded.movedim(-1, 1), pictures),
        "moved": apart(before, expected),
    }


def handed_over(folder: str) -> dict[str, Any]:
    """What the node gives for ComfyUI's own nodes, beside the base model that it gives for ours."""
    import torch
    from lora_workbench.engine.core.resources import DEMO_BASE
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.models.registry import load_base
    from lora_workbench.engine.training.recipe import Recipe
    from lora_workbench.nodes import native
    from lora_workbench.nodes.training.train_dreambooth import TrainDreamBooth
    from PIL import Image

    base = load_base(DEMO_BASE, device="cpu", precision="fp32")
    dataset = dataset_from_images([Image.new("RGB", (64, 64), "red")], [PROMPT], "reds")
    recipe = Recipe.of(steps=3, warmup_steps=0, train_text_encoder=True)
    messages = collect_messages()
    with torch.inference_mode():
        made, _, _, *parts = TrainDreamBooth.execute(base, dataset, recipe, 1e-3, 1, "reds").args
        again = parts[0].cached_patcher_init[0](disable_dynamic=True)
        pictures = [drawn(*found) for found in (parts, native.demo_checkpoint())]
    state = parts[0].model.state_dict()
    backbone = native.NativeBackbone(*parts, precision="fp32")
    return {
        "messages": messages, **compared(made, parts, channels=8, side=16), "moved": moved(base, made, 8, 16),
        "made anew": all(torch.equal(state[name], value) for name, value in again.model.state_dict().items()),
        "drawn": apart(*pictures), "family": backbone.info.family, "predicts": backbone.info.prediction_type,
    }  # fmt: skip


def handed_over_by_loader(folder: str) -> dict[str, Any]:
    """Small checkpoints of a family, which ComfyUI's own loader recognizes; one predicts v."""
    import torch
    from comfy.cli_args import args
    from lora_workbench.engine.models.families import sd1
    from lora_workbench.nodes.native.handing_over import handed_over, loaded

    args.fp32_text_enc = True  # by itself, ComfyUI rounds text encoders to 16 bits
    place, found = Path(folder), {}
    for name in ("epsilon", "v_prediction"):
        own = place / name
        own.mkdir()
        config = configuration(own / "config")
        file = config / "scheduler" / "scheduler_config.json"
        settings = {
            "_class_name": "DDIMScheduler", "prediction_type": name, "rescale_betas_zero_snr": name != "epsilon"
        }  # fmt: skip
        file.write_text(json.dumps(json.loads(file.read_text()) | settings))
        base = sd1.load(save("sd15", own), device="cpu", precision="fp32", config=config)
        with torch.inference_mode():
            parts = loaded(base, {key: dict(sizes) for key, sizes in CLIP_LAYERS.items()})
            blocked = handed_over(base)
        sampling = parts[0].get_model_object("model_sampling")
        alphas = 1 / (sampling.sigmas**2 + 1)
        found[name] = compared(base, parts, channels=4, side=8) | {
            "kinds": [kind.__name__ for kind in type(sampling).__mro__],
            "alphas": (alphas - base._alphas_cumprod).abs().max().item(),
            "blocked": blocked[0].message,
        }
    return found


def compared(base: Any, parts: Any, channels: int, side: int) -> dict[str, float]:
    """Relative differences of MODEL, CLIP and VAE to a base model."""
    import comfy.model_management
    import torch

    model, clip, vae = parts
    x = torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0))
    times = torch.tensor([250, 700])
    scaling = base.parts.config("vae")["scaling_factor"]  # which ComfyUI has in the model, and we with the autoencoder
    with torch.inference_mode():
        comfy.model_management.load_models_gpu([model])
        states = clip.encode_from_tokens(clip.tokenize(PROMPT))
        decoded = vae.decode(x / scaling)
        own = base.encode_prompts([PROMPT] * 2)
        predicted = model.model.diffusion_model(x, times.float(), context=own["states"])
        return {
            "states": apart(states, own["states"][:1]),
            "predict": apart(predicted, base.predict(x, times, own)),
            "decode": apart(decoded.movedim(-1, 1), base.decode(x)),
        }


def moved(before: Any, after: Any, channels: int, side: int) -> float:
    import torch

    x, times = torch.ones(1, channels, side, side), torch.tensor([500])
    with torch.no_grad():
        pair = [base.predict(x, times, base.encode_prompts([PROMPT])) for base in (before, after)]
    return apart(*pair)


def extracted(folder: str) -> dict[str, Any]:
    """An adapter on the demo base, taken out again from two MODELs, and loaded by the stock loader."""
    import comfy.model_management
    import comfy.sd
    import comfy.utils
    import torch
    from lora_workbench.engine.adapters.extraction import Wanted
    from lora_workbench.engine.adapters.files import save_adapter
    from lora_workbench.engine.core.errors import BaseModelError
    from lora_workbench.engine.runs.dreambooth import train_dreambooth
    from lora_workbench.engine.runs.extracting import extract_adapter
    from lora_workbench.nodes import native

    with torch.inference_mode():
        model, clip, vae = native.demo_checkpoint()
        carried = comfy.sd.load_lora_for_models(model, clip, adapter_tensors(), 1.0, 1.0)
    before, after = (native.NativeBackbone(*pair, vae, precision="fp32") for pair in ((model, clip), carried))
    found = finished(extract_adapter(before, after, Wanted(4), name="again"))
    file = save_adapter(found.adapter, Path(folder) / "again.safetensors", key_style="kohya", dtype="float32").path
    messages = collect_messages()
    x = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    predictions = []
    with torch.inference_mode():
        again = comfy.sd.load_lora_for_models(model, clip, comfy.utils.load_torch_file(str(file)), 1.0, 1.0)
        for with_model, with_clip in ((model, clip), carried, again):
            states = with_clip.encode_from_tokens(with_clip.tokenize("ohwx fox"))
            comfy.model_management.load_models_gpu([with_model])
            times = torch.tensor([250.0, 700.0])
            predictions.append(with_model.model.diffusion_model(x, times, context=states.repeat(2, 1, 1)))
    refused = ""
    try:
        finished(train_dreambooth(before, None, None, seed=0, store=None, name="x"))  # type: ignore[arg-type]
    except BaseModelError as error:
        refused = str(error)
    return {
        "messages": messages, "energy": found.share.energy, "layers": len(found.shares),
        "components": sorted({key.split(".")[0] for key in found.shares}),
        "moved": apart(predictions[0], predictions[1]), "apart": apart(predictions[2], predictions[1]),
        "refused": refused,
    }  # fmt: skip


def adapter_tensors() -> dict[str, Any]:
    """A LoRA of rank 4 on some layers of the demo base, with kohya's names."""
    import torch

    generator = torch.Generator().manual_seed(3)
    names = {
        "lora_unet_": ("down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", "mid_block_attentions_0_proj_in"),
        "lora_te_": ("text_model_encoder_layers_0_self_attn_q_proj",),
    }
    shapes = demo_shapes()
    found = {}
    for prefix, layers in names.items():
        for layer in layers:
            out, *inner = shapes[prefix + layer]
            stem = f"{prefix}{layer}"
            found[f"{stem}.lora_down.weight"] = torch.randn(4, *inner, generator=generator) * 0.2
            found[f"{stem}.lora_up.weight"] = torch.randn(out, 4, *[1] * len(inner[1:]), generator=generator) * 0.2
            found[f"{stem}.alpha"] = torch.tensor(4.0)
    return found


def demo_shapes() -> dict[str, tuple[int, ...]]:
    """Name of a layer in kohya's files -> shape of its weight."""
    from lora_workbench.engine.adapters.names import stems
    from lora_workbench.engine.core.resources import DEMO_BASE
    from lora_workbench.engine.models.registry import load_base

    shapes = load_base(DEMO_BASE, device="cpu", precision="fp32").module_shapes()
    return {stem: shapes[key] for key, stem in stems(shapes, "kohya").items()}


if __name__ == "__main__":
    main(
        {
            "handed_over": handed_over,
            "handed_over_by_loader": handed_over_by_loader,
            "trained": trained,
            "extracted": extracted,
        }
    )

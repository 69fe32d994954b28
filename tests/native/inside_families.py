"""Run by ComfyUI's own Python: the native backbone on small checkpoints of several families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from checkpoints import families
from comfyui_process import main
from inside_demo import collect_messages

SIDE = 64


def backbone(name: str, folder: str) -> tuple[Any, Any, Any]:
    """(base, MODEL, CLIP), loaded as ComfyUI's nodes load."""
    import torch
    from lora_workbench.nodes import native

    with torch.inference_mode():
        model, clip, vae = families()[name](Path(folder))
    return native.NativeBackbone(model, clip, vae, precision="fp32"), model, clip


def fixed_loss(base: Any, latents: Any, prompts: list[str]) -> float:
    """The loss over the same sixteen levels and noises, so that two of them can be compared."""
    import torch
    from lora_workbench.engine.training.loss import denoising_loss
    from lora_workbench.engine.training.recipe import Recipe

    with torch.no_grad():
        conditioning = base.encode_prompts(prompts * 16)
        generator = torch.Generator().manual_seed(7)
        return float(
            denoising_loss(base, latents.repeat(16, 1, 1, 1), conditioning, Recipe.of(snr_gamma=0.0), generator).mean()
        )


def trained(name: str, folder: str) -> dict[str, Any]:
    """Five steps on one picture, then the file in ComfyUI's own loader."""
    import comfy.model_management
    import comfy.sd
    import comfy.utils
    import torch
    from inside_backbone import finished
    from lora_workbench.engine.adapters.files import save_adapter
    from lora_workbench.engine.adapters.stack import Stack, StackEntry
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.embeddings import picture_batch
    from lora_workbench.engine.training.recipe import Recipe
    from PIL import Image

    base, model, clip = backbone(name, folder)
    text = "text_encoder_training" in base.info.capabilities
    dataset = dataset_from_images(
        [Image.linear_gradient("L").convert("RGB").resize((SIDE, SIDE))], ["a zwx thing"], name
    )
    recipe = Recipe.of(
        steps=5, learning_rate=3e-3, text_encoder_learning_rate=1e-3, train_text_encoder=text, rank=4, alpha=4,
        batch_size=4, warmup_steps=0, snr_gamma=0, resolution=SIDE, targets="attention_and_feed_forward",
    )  # fmt: skip
    latents = base.encode_images(picture_batch([(record, record.views(SIDE)[0][0]) for record in dataset]))
    before = {key: tensor.clone() for key, tensor in model.model.state_dict().items()}
    first = fixed_loss(base, latents, ["a zwx thing"])
    run = finished(train_adapter(base, dataset, recipe, seed=1, store=RunStore(Path("store")), name=name))
    with base.carrying(Stack((StackEntry(run.adapter),))):
        last = fixed_loss(base, latents, ["a zwx thing"])
    path = Path(f"{name}.safetensors")
    save_adapter(run.adapter, path, key_style=base.info.key_style, dtype="float32")
    messages = collect_messages()
    with torch.inference_mode():
        patched, patched_clip = comfy.sd.load_lora_for_models(
            model, clip, comfy.utils.load_torch_file(str(path)), 1.0, 1.0
        )
    comfy.model_management.load_models_gpu([model])  # ComfyUI leaves a clone's patches in place until then
    return {
        "prediction_type": base.info.prediction_type,
        "family": base.info.family,
        "style": base.info.key_style,
        "capabilities": sorted(base.info.capabilities),
        "losses": [first, last],
        "text": text and any(bool(u.up.any()) for k, u in run.adapter.modules.items() if not k.startswith("denoiser.")),
        "patched": [len(patched.patches), len(patched_clip.patcher.patches)],
        "modules": len(run.adapter.modules),
        "unmatched": [message for message in messages if "not loaded" in message.lower()],
        "changed": [k for k, tensor in model.model.state_dict().items() if not torch.equal(tensor, before[k])],
    }


def carried(name: str, folder: str) -> dict[str, Any]:
    """How far predictions are apart: an adapter in the mirror, and the same one as ComfyUI's patches."""
    import torch
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.inject import injected
    from lora_workbench.engine.adapters.kinds import KINDS
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    base, *_ = backbone(name, folder)
    side = SIDE // base.info.latent_factor
    x = torch.randn(2, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    prompts = ["a fox", "a very long prompt " * 30]
    levels = base.timesteps(torch.tensor([0.3, 0.8]))
    targets = {"denoiser": base.info.target_presets["all_layers"]}
    with torch.no_grad():
        conditioning = base.encode_prompts(prompts)
        plain = base.predict(x, levels.t, conditioning)
        with (
            base.training(2, SIDE),
            injected(KINDS.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=1, seed=0) as injection,
        ):
            for parameter in injection.parameters.values():
                parameter.normal_(std=0.05, generator=torch.Generator().manual_seed(parameter.numel()))
            mirrored = base.predict(x, levels.t, conditioning)
            updates = injection.result()
        modules = {part: u.rows(rows) for key, u in updates.items() for part, rows in base.file_parts(key)}
        adapter = Adapter(name="all", family="", modules=modules, key_style=base.info.key_style)
        with base.carrying(Stack((StackEntry(adapter),))):
            patched = base.predict(x, levels.t, conditioning)
        again = base.predict(x, levels.t, conditioning)
    scale = float((mirrored - plain).abs().max())
    return {
        "moved": scale,
        "apart": float((patched - mirrored).abs().max()) / scale,
        "restored": float((again - plain).abs().max()) / scale,
        "layers": len(targets["denoiser"]),
        "parts": len(modules),
    }


def eight_bits(folder: str) -> dict[str, Any]:
    """Predictions and gradients over weights stored in fp8, beside the same weights stored in float32."""
    import comfy.sd
    import torch
    from checkpoints import FAMILIES, save
    from lora_workbench.engine.adapters.inject import injected
    from lora_workbench.engine.adapters.kinds import KINDS
    from lora_workbench.nodes import native

    path = save("sd15", Path(folder))
    text = {key: dict(sizes) for key, sizes in FAMILIES["sd15"].text_options.items()}
    with torch.inference_mode():
        stored = [
            comfy.sd.load_checkpoint_guess_config(str(path), model_options={"dtype": dtype}, te_model_options=text)[:3]
            for dtype in (torch.float8_e4m3fn, torch.float32)
        ]
        small, full = (parts[0].model.diffusion_model.state_dict() for parts in stored)
        for name, tensor in full.items():
            tensor.copy_(small[name].float())
    results = []
    for parts in stored:
        base = native.NativeBackbone(*parts, precision="fp32")
        targets = {"denoiser": base.info.target_presets["all_layers"]}
        x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        levels = base.timesteps(torch.tensor([0.5]))
        conditioning = base.encode_prompts(["a fox"])
        with (
            base.training(1, SIDE),
            injected(KINDS.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=2, seed=0) as injection,
            base.gradients(),
        ):
            for key, parameter in injection.parameters.items():
                if key.endswith(".up"):
                    torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(len(key)))
            predicted = base.predict(x, levels.t, conditioning)
            predicted.square().mean().backward()
            gradients = torch.cat([p.grad.flatten() for p in injection.parameters.values()])
        results.append((predicted.detach(), gradients))
    (predicted, gradients), (predicted_too, gradients_too) = results
    return {
        "stored": str(next(iter(small.values())).dtype),
        "predictions": float((predicted - predicted_too).norm() / predicted_too.norm()),
        "gradients": float((gradients - gradients_too).norm() / gradients_too.norm()),
    }


def on_a_style(folder: str) -> dict[str, Any]:
    """A base whose MODEL carries a LoRA, beside the plain one with the same LoRA as our stack."""
    import torch
    from comfy.weight_adapter import LoRAAdapter
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.kinds import LowRank
    from lora_workbench.engine.adapters.stack import Stack, StackEntry
    from lora_workbench.nodes import native

    base, model, clip = backbone("sd15", folder)
    path = "middle_block.1.transformer_blocks.0.attn1.to_q"
    [(key, _)] = base.file_parts(f"denoiser.{path}")
    width = base.module_shapes()[key][0]
    up, down = (torch.randn(*shape, generator=torch.Generator().manual_seed(1)) for shape in ((width, 4), (4, width)))
    styled = model.clone()
    styled.add_patches(
        {f"diffusion_model.{path}.weight": LoRAAdapter(set(), (up, down, 4.0, None, None, None))}, strength_patch=0.5
    )
    with torch.inference_mode():
        on_style = native.NativeBackbone(styled, clip, base._vae, precision="fp32")
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    levels = base.timesteps(torch.tensor([0.5]))
    adapter = Adapter(name="style", family="sd1", modules={key: LowRank(down, up, 4.0)})
    with torch.no_grad():
        conditioning = base.encode_prompts(["a fox"])
        plain = base.predict(x, levels.t, conditioning)
        with base.carrying(Stack((StackEntry(adapter, 0.5, 0.5),))):
            wanted = base.predict(x, levels.t, conditioning)
        found = on_style.predict(x, levels.t, conditioning)
        with on_style.training(1, SIDE):
            in_training = on_style.predict(x, levels.t, conditioning)
        again = base.predict(x, levels.t, conditioning)
        second = native.NativeBackbone(styled.clone(), clip, base._vae, precision="fp32")
    moved = float((wanted - plain).abs().max())
    return {
        "moved": moved,
        "apart": max(float((p - wanted).abs().max()) for p in (found, in_training)) / moved,
        "plain_again": float((again - plain).abs().max()),
        "told_apart": on_style.info.content_hash != base.info.content_hash,
        "recognized": on_style.info.content_hash == second.info.content_hash,
    }


def levels(name: str, folder: str) -> dict[str, Any]:
    """Noise levels in training, and the shift of sampling beside ComfyUI's own levels."""
    import torch

    base, model, _ = backbone(name, folder)
    u = torch.tensor([0.05, 0.3, 0.5, 0.8, 0.999])
    made = base.timesteps(u)
    own = model.get_model_object("model_sampling")
    sampled = torch.tensor([own.percent_to_sigma(1 - float(value)) for value in u])
    return {
        "flow": base.info.prediction_type == "flow",
        "sigma": (made.sigma - u).abs().max().item(),
        "alpha": (made.alpha - (1 - u)).abs().max().item(),
        "told": (made.t - u).abs().max().item(),
        "shift": (base.info.shift.apply(u, 1024) - sampled).abs().max().item(),
        "factor": base.info.shift.factor(1024),
        "patch": base.info.patch,
    }


if __name__ == "__main__":
    main({"levels": levels, "trained": trained, "carried": carried, "eight_bits": eight_bits, "on_a_style": on_a_style})

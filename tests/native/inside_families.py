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
    from lora_workbench.engine.training.loop import denoising_loss

    with torch.no_grad():
        conditioning = base.encode_prompts(prompts * 16)
        generator = torch.Generator().manual_seed(7)
        return float(denoising_loss(base, latents.repeat(16, 1, 1, 1), conditioning, 0.0, generator).mean())


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
    from lora_workbench.engine.run import train_adapter
    from lora_workbench.engine.training.recipe import Recipe
    from lora_workbench.engine.training.training_set import picture_batch
    from lora_workbench.engine.vault import Vault
    from PIL import Image

    base, model, clip = backbone(name, folder)
    text = "text_encoder_training" in base.info.capabilities
    dataset = dataset_from_images(
        [Image.linear_gradient("L").convert("RGB").resize((SIDE, SIDE))], ["a zwx thing"], name
    )
    recipe = Recipe(
        steps=5, learning_rate=3e-3, text_encoder_learning_rate=1e-3, train_text_encoder=text, rank=4, alpha=4,
        batch_size=4, warmup_steps=0, snr_gamma=0, resolution=SIDE, targets="attention_and_feed_forward",
    )  # fmt: skip
    latents = base.encode_images(picture_batch([(record, record.views(SIDE)[0][0]) for record in dataset]))
    before = {key: tensor.clone() for key, tensor in model.model.state_dict().items()}
    first = fixed_loss(base, latents, ["a zwx thing"])
    run = finished(train_adapter(base, dataset, recipe, seed=1, vault=Vault(Path("vault")), name=name))
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
        "objective": base.info.objective,
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
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    base, *_ = backbone(name, folder)
    side = SIDE // base.info.latent_factor
    x = torch.randn(2, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    prompts = ["a fox", "a very long prompt " * 30]
    levels = base.levels(torch.tensor([0.3, 0.8]))
    targets = {"denoiser": base.info.target_presets["all_layers"]}
    with torch.no_grad():
        conditioning = base.encode_prompts(prompts)
        plain = base.predict(x, levels.t, conditioning)
        with (
            base.training(2, SIDE),
            injected({"denoiser": base.denoiser}, targets, rank=2, alpha=1, seed=0) as injection,
        ):
            for parameter in injection.parameters.values():
                parameter.normal_(std=0.05, generator=torch.Generator().manual_seed(parameter.numel()))
            mirrored = base.predict(x, levels.t, conditioning)
            updates = injection.modules()
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


if __name__ == "__main__":
    main({"trained": trained, "carried": carried})

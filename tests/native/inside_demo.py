"""Run by ComfyUI's own Python: the demo base in ComfyUI's classes beside the same weights in diffusers'."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfyui_process import main

if TYPE_CHECKING:
    from torch import Tensor

PROMPTS = [
    "a noto style emoji of a red apple on a white background",
    "a fluent style emoji of a rocket on a blue background",
    "ohwx fox",
    "",
]
LONG = "a noto style emoji of a red apple on a white background, " * 5


def loaded() -> tuple[Any, Any, Any, Any]:
    """The demo base by ComfyUI (as a node loads it) and by diffusers."""
    import torch
    from lora_workbench.engine.models.registry import load_base
    from lora_workbench.nodes.native import demo_checkpoint
    from lora_workbench.nodes.native.demo import DEMO_BASE

    with torch.inference_mode():
        native = demo_checkpoint()
    return *native, load_base(DEMO_BASE, device="cpu", precision="fp32")


def apart(ours: Tensor, theirs: Tensor) -> float:
    """Relative difference."""
    return ((ours - theirs).norm() / theirs.norm()).item()


def measured() -> dict[str, Any]:
    """How far the two are apart, part by part."""
    import torch

    model, clip, vae, backbone = loaded()
    torch.manual_seed(0)
    pictures = torch.nn.functional.interpolate(torch.rand(3, 3, 4, 4), (64, 64), mode="bilinear")
    noise = torch.randn(4, 8, 16, 16)
    times = torch.tensor([0.0, 250.0, 700.0, 999.0])
    with torch.inference_mode():
        states = backbone.encode_prompts(PROMPTS)
        ours = [clip.encode_from_tokens(clip.tokenize(prompt)) for prompt in PROMPTS]
        latents = backbone.encode_images(pictures * 2 - 1)
        alphas = 1 / (model.model.model_sampling.sigmas**2 + 1)
        return {
            "tokens": [[token for token, _ in clip.tokenize(prompt)["l"][0]] for prompt in PROMPTS],
            "states": apart(torch.cat(ours), states["states"]),
            "chunks": apart(clip.encode_from_tokens(clip.tokenize(LONG)), backbone.encode_prompts([LONG])["states"]),
            "encode": apart(vae.encode(pictures.movedim(1, -1)), latents),
            "decode": apart(vae.decode(latents).movedim(-1, 1), backbone.decode(latents)),
            "predict": apart(
                model.model.diffusion_model(noise, times, context=states["states"]),
                backbone.predict(noise, times, states),
            ),
            "alphas": (alphas - backbone._alphas_cumprod).abs().max().item(),
            "preview": explained_by_previews(model.model.latent_format, latents, pictures),
        }


def explained_by_previews(latent_format: Any, latents: Tensor, pictures: Tensor) -> float:
    """Correlation of ComfyUI's quick previews with the pictures."""
    import torch

    factors = torch.tensor(latent_format.latent_rgb_factors)
    colors = latents.movedim(1, -1) @ factors + torch.tensor(latent_format.latent_rgb_factors_bias)
    small = torch.nn.functional.avg_pool2d(pictures * 2 - 1, 4).movedim(1, -1)
    return torch.corrcoef(torch.stack([colors.flatten(), small.flatten()]))[0, 1].item()


def drawn(folder: str) -> dict[str, Any]:
    """The same noise and prompts by the stock KSampler and by the backbone's own sampler; pictures go into a folder."""
    import comfy.sample
    import torch

    import nodes

    model, clip, vae, backbone = loaded()
    prompts = PROMPTS[:2]
    with torch.inference_mode():
        empty = nodes.EmptyLatentImage().generate(64, 64)[0]
        stock, own = [], []
        for seed, prompt in enumerate(prompts):
            positive, negative = (nodes.CLIPTextEncode().encode(clip, text)[0] for text in (prompt, ""))
            latent = nodes.common_ksampler(model, seed, 25, 3.0, "euler", "sgm_uniform", positive, negative, empty)[0]
            stock.append(nodes.VAEDecode().decode(vae, latent)[0])
            noise = comfy.sample.prepare_noise(torch.zeros(1, 8, 16, 16), seed)
            encoded = (backbone.encode_prompts([text]) for text in (prompt, ""))
            *_, clean = backbone.sample(noise, *encoded, steps=25, guidance=3.0)
            own.append(backbone.decode(clean).movedim(1, -1))
    save(torch.cat([torch.cat(stock, 2), torch.cat(own, 2)], 1)[0], Path(folder) / "drawn.png")
    return {
        "shapes": [list(picture.shape) for picture in stock],
        "apart": max((ours - theirs).abs().mean().item() for ours, theirs in zip(own, stock, strict=True)),
    }


def save(picture: Tensor, path: Path) -> None:
    from PIL import Image

    Image.fromarray((picture * 255).round().byte().numpy()).save(path)


def adapted(file: str) -> dict[str, Any]:
    """What the stock loader makes of an adapter for every layer, beside our own stack on the backbone."""
    import comfy.sd
    import comfy.utils
    import torch
    from lora_workbench.engine.adapters.applying import applied
    from lora_workbench.engine.adapters.files import load_adapter
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    model, clip, _, backbone = loaded()
    messages = collect_messages()
    with torch.inference_mode():
        model, clip = comfy.sd.load_lora_for_models(model, clip, comfy.utils.load_torch_file(file), 0.8, 0.5)
        noise, times = torch.randn(2, 8, 16, 16), torch.tensor([250.0, 700.0])
        ours = clip.encode_from_tokens(clip.tokenize(PROMPTS[0]))
        comfy.model_management.load_models_gpu([model])
        predicted = model.model.diffusion_model(noise, times, context=ours.repeat(2, 1, 1))
    stack = Stack((StackEntry(load_adapter(file), 0.8, 0.5),))
    with applied(backbone, stack), torch.no_grad():
        states = backbone.encode_prompts([PROMPTS[0]] * 2)
        expected = backbone.predict(noise.clone(), times.clone(), states)
    return {
        "messages": messages,
        "patches": len(model.patches) + len(clip.patcher.patches),
        "states": apart(ours, states["states"][:1]),
        "predict": apart(predicted, expected),
    }


def collect_messages() -> list[str]:
    """A list that gets every warning from now on."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logging.getLogger().addHandler(Collector(logging.WARNING))
    return messages


def reloaded() -> dict[str, Any]:
    """What ComfyUI's memory manager may ask of any model: to be made anew, as deep clones are, unloaded and loaded."""
    import comfy.model_management
    import torch

    with torch.inference_mode():
        model, clip, vae, _ = loaded()
        before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
        comfy.model_management.load_models_gpu([model, clip.patcher, vae.patcher])
        comfy.model_management.unload_all_models()
        patchers = [model, clip.patcher, vae.patcher]
        fresh = [
            load(*arguments, disable_dynamic=True)
            for load, arguments in (patcher.cached_patcher_init for patcher in patchers)
        ]
        return {
            "own_weights": fresh[0].model is not model.model,
            "equal": all(torch.equal(tensor, fresh[0].model.state_dict()[name]) for name, tensor in before.items()),
            "kept": all(torch.equal(tensor, model.model.state_dict()[name]) for name, tensor in before.items()),
            "reloadable": [type(new.model) is type(old.model) for new, old in zip(fresh, patchers, strict=True)],
        }


if __name__ == "__main__":
    main({"measured": measured, "drawn": drawn, "adapted": adapted, "reloaded": reloaded})

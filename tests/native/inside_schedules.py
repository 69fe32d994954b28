"""Run by ComfyUI's own Python: weights by sampling step, by its hooks and by our own sampler on its models."""

from __future__ import annotations

from typing import Any

from comfyui_process import main

SCHEDULE = "0: 1, 0.5: 0.25, 0.75: 0"
STEPS, SEED, GUIDANCE = 8, 3, 3.0
PROMPTS = ("a noto style emoji of a red apple on a white background", "")


def parts() -> tuple[Any, Any, Any, Any]:
    """MODEL, CLIP and base model of the demo, and an adapter for it with random values."""
    import torch
    from lora_workbench.nodes.native import demo_checkpoint
    from lora_workbench.nodes.training.base_from_comfy import BaseFromComfy

    with torch.inference_mode():
        model, clip, vae = demo_checkpoint()
        base = BaseFromComfy.execute(model, clip, vae, "fp32").args[0]
    return model, clip, base, fox(base)


def fox(base: Any) -> Any:
    from made_adapters import random_adapter

    return random_adapter(base, "fox", strength=0.12)


def stack(adapter: Any, schedule: str, weight: float = 0.8) -> Any:
    from lora_workbench.engine.adapters.schedules import schedule_of
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    return Stack((StackEntry(adapter, weight, 0.5, steps=schedule_of(schedule)),))


def sampled(model: Any, clip: Any) -> Any:
    """Latents by ComfyUI's own nodes."""
    import torch

    import nodes

    with torch.inference_mode():
        empty = nodes.EmptyLatentImage().generate(64, 64)[0]
        positive, negative = (nodes.CLIPTextEncode().encode(clip, text)[0] for text in PROMPTS)
        return nodes.common_ksampler(model, SEED, STEPS, GUIDANCE, "euler", "simple", positive, negative, empty)[0][
            "samples"
        ]


def by_our_sampler(base: Any, given: Any) -> Any:
    import comfy.sample
    import torch
    from lora_workbench.engine.adapters.applying import applied

    noise = comfy.sample.prepare_noise(torch.zeros(1, 8, 16, 16), SEED)
    with applied(base, given), torch.no_grad():
        encoded = (base.encode_prompts([text]) for text in PROMPTS)
        *_, clean = base.sample(noise, *encoded, steps=STEPS, guidance=GUIDANCE)
    return base._base.process_latent_out(clean)


def apply(model: Any, clip: Any, given: Any) -> Any:
    import torch
    from lora_workbench.nodes.adapters.apply_stack import ApplyStack

    with torch.inference_mode():
        return ApplyStack.execute(model, clip, given)


def apart(ours: Any, theirs: Any) -> float:
    """Relative difference."""
    return float((ours.cpu() - theirs.cpu()).norm() / theirs.cpu().norm())


def everything() -> dict[str, Any]:
    """How far latents are apart; each pair should be near, or far."""
    model, clip, base, adapter = parts()
    with_hooks = apply(model, clip, stack(adapter, SCHEDULE))
    hooked = sampled(*with_hooks.args[:2])
    plain, constant = sampled(model, clip), sampled(*apply(model, clip, stack(adapter, "")).args[:2])
    always = sampled(*apply(model, clip, stack(adapter, "0: 1, 0.5: 1")).args[:2])
    return {
        "text": with_hooks.ui["text"][0],
        "hooks beside our own sampler": apart(hooked, by_our_sampler(base, stack(adapter, SCHEDULE))),
        "hooks beside a chain of samplers": apart(hooked, in_pieces(model, clip, adapter)),
        "a factor of 1 beside patches": apart(always, constant),
        "patches beside our own sampler": apart(constant, by_our_sampler(base, stack(adapter, ""))),
        "scheduled and constant": apart(hooked, constant),
        "scheduled and none": apart(hooked, plain),
        "none again": apart(sampled(model, clip), plain),
        "without a clip": refused(model, adapter),
        **masked(model, clip, base, adapter, plain, constant),
    }


def masked(model: Any, clip: Any, base: Any, adapter: Any, plain: Any, constant: Any) -> dict[str, Any]:
    """The adapter on the left, and another one on the right."""
    from lora_workbench.engine.adapters.masks import Mask, box_mask
    from lora_workbench.engine.adapters.stack import Stack, StackEntry
    from made_adapters import random_adapter
    from torch import ones

    def of(mask: Any, schedule: str = "") -> Any:
        return stack(adapter, schedule).with_mask(0, mask)

    riso = random_adapter(base, "riso", seed=1, strength=0.12)
    left, right = box_mask((0, 0, 0.5, 1)), box_mask((0.5, 0, 0.5, 1))
    two = Stack((*of(left, SCHEDULE).entries, StackEntry(riso, 0.6, 0.5, mask=right)))
    hooked = sampled(*apply(model, clip, two).args[:2])
    return {
        "masks beside our own sampler": apart(hooked, by_our_sampler(base, two)),
        "a mask of everything": apart(sampled(*apply(model, clip, of(Mask(ones(4, 4)))).args[:2]), constant),
        "masked and none": apart(hooked, plain),
    }


def in_pieces(model: Any, clip: Any, adapter: Any) -> Any:
    """The same by stock samplers one after the other, each with a constant stack."""
    import torch

    import nodes

    latent = {"samples": torch.zeros(1, 8, 16, 16)}
    with torch.inference_mode():
        encoder = apply(model, clip, stack(adapter, "")).args[1]
        positive, negative = (nodes.CLIPTextEncode().encode(encoder, text)[0] for text in PROMPTS)
        for start, end, factor in ((0, 4, 1.0), (4, 6, 0.25), (6, STEPS, 0.0)):
            patched = apply(model, clip, stack(adapter, "", 0.8 * factor)).args[0]
            latent = nodes.common_ksampler(
                patched, SEED, STEPS, GUIDANCE, "euler", "simple", positive, negative, latent,
                disable_noise=start > 0, start_step=start, last_step=end, force_full_denoise=end == STEPS,
            )[0]  # fmt: skip
    return latent["samples"]


def refused(model: Any, adapter: Any) -> str:
    from lora_workbench.engine.core.errors import AdapterError

    try:
        apply(model, None, stack(adapter, SCHEDULE))
    except AdapterError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main({"everything": everything})

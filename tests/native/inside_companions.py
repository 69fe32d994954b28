"""Run by ComfyUI's own Python: companions on its models."""

from __future__ import annotations

from typing import Any

from comfyui_process import main
from inside_backbone import demo, difference, diffusers_demo, finished, fox_run, snapshot
from inside_families import SIDE, backbone

STEPS = 8
SAMPLES: dict[str, Any] = {"sample_every": STEPS, "sample_prompts": ("an emoji of a fox",)}


def random_lora(shapes: dict[str, tuple[int, ...]], name: str, seed: int, ending: tuple[str, ...], by: float) -> Any:
    """A LoRA of rank 4 whose values follow from the names of its modules."""
    import torch
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.kinds import LowRank
    from lora_workbench.engine.adapters.names import flat
    from lora_workbench.engine.core.seeds import derived_seed

    modules = {}
    for key, (out, *inner) in shapes.items():
        if inner and key.endswith(ending):
            generator = torch.Generator().manual_seed(derived_seed(seed, flat(key)))
            down = by * torch.randn(4, *inner, generator=generator)
            modules[key] = LowRank(down, by * torch.randn(out, 4, *[1] * len(inner[1:]), generator=generator), 4.0)
    return Adapter(name=name, family="", modules=modules)


def companions(base: Any, *roles: str) -> Any:
    """A stack of one random adapter for each role, with a part for the text encoder."""
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    ending = ("to_q", "to_v", "ff.net.2", "q_proj", "fc1")
    made = (random_lora(base.module_shapes(), role, seed, ending, 0.1) for seed, role in enumerate(roles))
    return Stack(tuple(StackEntry(adapter, 0.8, 0.8, role=adapter.name) for adapter in made))


def trained(text_encoder: bool) -> dict[str, Any]:
    """The same training beside companions by both backbones, and what became of the model that came in."""
    import torch

    ours, theirs = demo(), diffusers_demo()
    before = snapshot(ours)
    settings: dict[str, Any] = {"train_text_encoder": text_encoder, "targets": "attention"}
    found = {}
    for name, base in (("native", ours), ("diffusers", theirs)):
        stack = companions(base, "training_only", "context", "start_from")
        found[name] = fox_run(base, name, STEPS, companions=stack, **settings)
    plain, _ = fox_run(ours, "plain", STEPS, **settings)
    (run, tensors), (other, tensors_too) = found["native"], found["diffusers"]
    largest = max(float(t.abs().max()) for t in tensors_too.values() if t.ndim)
    return {
        "losses_apart": max(abs(a - b) for a, b in zip(run.losses, other.losses, strict=True)),
        "moved": [abs(a - b) for a, b in zip(run.losses, plain.losses, strict=True)],
        "names_differ": sorted(tensors.keys() ^ tensors_too.keys())[:4],
        "factors_apart": max(float((tensors[n] - tensors_too[n]).abs().max()) for n in tensors) / largest,
        "changed": [name for name, tensor in snapshot(ours).items() if not torch.equal(tensor, before[name])],
    }


def with_text_encoder() -> dict[str, Any]:
    return trained(True)


def without_text_encoder() -> dict[str, Any]:
    return trained(False)


def samples() -> dict[str, Any]:
    """Sample pictures beside a companion of each role, and what they should be and shouldn't, as largest differences.

    Without a text encoder in training the adapter learns nothing; with one, its text part learns alone.
    """
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    base, found = demo(), {}
    learning: dict[str, dict[str, Any]] = {
        "frozen": {"train_text_encoder": False},
        "trained": {"train_text_encoder": True, "text_encoder_learning_rate": 5e-3, "warmup_steps": 0},
    }
    for name, settings in learning.items():
        for role in ("", "training_only", "context"):
            stack, seen = companions(base, *filter(None, [role])), []
            run, _ = fox_run(
                base, name + role, STEPS, companions=stack, seen=seen, **{"learning_rate": 1e-12, **settings, **SAMPLES}
            )
            plain = tuple(StackEntry(e.adapter, e.weight, e.text_encoder_weight) for e in stack.entries)
            learned = StackEntry(run.adapter)
            ways = {
                "alone": (learned,), "with": (*plain, learned), "not learned": plain, "base": (),
            }  # fmt: skip
            shown = shown_last(seen)
            found[f"{name} {role}".strip()] = {
                way: int(abs(shown - drawn(base, Stack(entries))).max()) for way, entries in ways.items()
            }
    return found


def shown_last(seen: list[Any]) -> Any:
    """The pixels of a training's last sample picture."""
    import numpy as np
    from lora_workbench.engine.core.events import SamplesGenerated

    *_, last = [event.images[0] for event in seen if isinstance(event, SamplesGenerated)]
    return np.asarray(last).astype(int)


def drawn(base: Any, stack: Any) -> Any:
    """The pixels of the same prompt with a stack."""
    import numpy as np
    from lora_workbench.engine.generation.batch import GenerationRequest, generate

    usual = base.info.generation
    request = GenerationRequest(prompts=SAMPLES["sample_prompts"], steps=usual.steps, guidance=usual.guidance)
    [picture] = finished(generate(base, request, stack))
    return np.asarray(picture.image).astype(int)


def fused(name: str, folder: str) -> dict[str, Any]:
    """How far predictions are apart: a companion on the mirror, and the same adapter as ComfyUI's patches.

    The companion has the names of adapter files once, and ComfyUI's own, in which fused layers are one.
    """
    import torch
    from lora_workbench.engine.adapters.companions import Companions, beside
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    base, *_ = backbone(name, folder)
    side = SIDE // base.info.latent_factor
    x = torch.randn(2, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    own = {
        f"denoiser.{path}": tuple(module.weight.shape)
        for path, module in base.denoiser.named_modules()
        if base.file_parts(f"denoiser.{path}") and path.endswith((".qkv", ".linear1", ".to_q", ".attn1.to_k"))
    }
    levels = base.timesteps(torch.tensor([0.3, 0.8]))
    found = {}
    with torch.no_grad():
        conditioning = base.encode_prompts(["a fox", "an owl"])
        plain = base.predict(x, levels.t, conditioning)
        for kind, shapes in (("files", base.module_shapes()), ("own", own)):
            adapter = random_lora(shapes, kind, 1, tuple(k.rsplit(".", 1)[1] for k in shapes), 0.05)
            text = {key for key in adapter.modules if not key.startswith("denoiser.")}
            adapter = type(adapter)(
                name=kind, family="", modules={k: u for k, u in adapter.modules.items() if k not in text},
                key_style=base.info.key_style,
            )  # fmt: skip
            stack = Companions.of(Stack((StackEntry(adapter, role="training_only"),))).bound_to(base)
            with base.training(2, SIDE), beside(base, stack, {"denoiser": base.denoiser}, base.dtype) as companion:
                mirrored = base.predict(x, levels.t, conditioning)
                with companion.off():
                    off = base.predict(x, levels.t, conditioning)
            with base.carrying(Stack(tuple(StackEntry(e.adapter) for e in stack.entries))):
                patched = base.predict(x, levels.t, conditioning)
            found[kind] = {
                "moved": difference(mirrored, plain),
                "apart": difference(mirrored, patched),
                "off": difference(off, plain),
                "modules": len(adapter.modules),
            }
    return found


if __name__ == "__main__":
    main({
        "with_text_encoder": with_text_encoder, "without_text_encoder": without_text_encoder, "samples": samples,
        "fused": fused,
    })  # fmt: skip

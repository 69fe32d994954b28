"""Run by ComfyUI's own Python: the native backbone on the demo base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfyui_process import main


def demo() -> Any:
    """The native backbone of the demo base, loaded as ComfyUI's nodes load: under inference mode."""
    import torch
    from lora_workbench.nodes import native

    with torch.inference_mode():
        parts = native.demo_checkpoint()
    return native.NativeBackbone(*parts, precision="fp32")


def diffusers_demo() -> Any:
    from lora_workbench.engine.core.resources import DEMO_BASE
    from lora_workbench.engine.models.registry import load_base

    return load_base(DEMO_BASE, device="cpu", precision="fp32")


def finished(events: Any, seen: list[Any] | None = None) -> Any:
    """Drive a loop to its end; ``seen`` gets its events."""
    seen = [] if seen is None else seen
    while True:
        try:
            seen.append(next(events))
        except StopIteration as stop:
            return stop.value


def difference(found: Any, expected: Any) -> float:
    """Largest difference over the largest magnitude."""
    return float((found - expected).abs().max() / expected.abs().max())


def with_text_model(key: str) -> str:
    return key.replace("encoder.encoder.", "encoder.text_model.encoder.")


def agree() -> dict[str, Any]:
    """How far native and diffusers backbone are apart, relatively."""
    import torch

    ours, theirs = demo(), diffusers_demo()
    prompts = ["a noto style emoji of a red apple on a white background", "a fox in the (deep) snow, " * 9, ""]
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    u = torch.tensor([0.05, 0.5, 0.999])
    with torch.no_grad():
        x0, x0_too = ours.encode_images(images), theirs.encode_images(images)
        c, c_too = ours.encode_prompts(prompts), theirs.encode_prompts(prompts)
        noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
        levels, levels_too = ours.timesteps(u), theirs.timesteps(u)
        x_t = levels_too.alpha.reshape(-1, 1, 1, 1) * x0_too + levels_too.sigma.reshape(-1, 1, 1, 1) * noise
        predicted = ours.predict(x_t, levels.t, c)
        predicted_too = theirs.predict(x_t, levels_too.t, c_too)
    info, info_too = ours.info, theirs.info
    layers = [key for key, shape in theirs.module_shapes().items() if len(shape) > 1]  # norms have no names in ours
    same = ("family", "prediction_type", "latent_channels", "latent_factor", "resolution", "key_style", "architecture")
    return {
        "latents": difference(x0, x0_too),
        "prompts": difference(c["cond"], c_too["states"]),
        "alpha": difference(levels.alpha, levels_too.alpha),
        "sigma": difference(levels.sigma, levels_too.sigma),
        "prediction": difference(predicted, predicted_too),
        "pictures": difference(ours.decode(x0), theirs.decode(x0_too)),
        "infos_differ": [name for name in same if getattr(info, name) != getattr(info_too, name)],
        "pieces": [next(iter(base.tokenize("ohwx (fox)").values())) for base in (ours, theirs)],
        "chunks": [list(base.chunk_lengths.values()) for base in (ours, theirs)],
        "capabilities": sorted(info.capabilities ^ info_too.capabilities),
        "modules": sorted(ours.module_shapes().keys() ^ set(map(with_text_model, layers)))[:5],
    }


def fox_run(
    base: Any, folder: str, steps: int, companions: Any = None, seen: list[Any] | None = None, **changes: Any
) -> Any:
    """A training on the fox pictures, as (trained adapter, its file's tensors); ``seen`` gets its events."""
    from lora_workbench.engine.adapters.files import file_tensors
    from lora_workbench.engine.captions.templates import apply_trigger
    from lora_workbench.engine.core.resources import PROJECT_ROOT
    from lora_workbench.engine.data.dataset import TriggerWord
    from lora_workbench.engine.data.loading import load_dataset
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.suggestions import suggest, with_changes

    dataset = load_dataset(PROJECT_ROOT / "assets" / "datasets" / "fox")
    captioned = apply_trigger(dataset, TriggerWord(word="ohwx", class_word="fox"), "replace")
    recipe = with_changes(suggest("subject", len(dataset), base.info), {"steps": steps, "batch_size": 4, **changes})
    store = RunStore(Path(folder))
    events = train_adapter(base, captioned, recipe, seed=3, store=store, name="fox", companions=companions)
    trained = finished(events, seen)
    return trained, file_tensors(trained.adapter, dtype="float32")


def train() -> dict[str, Any]:
    """The same training by both backbones, and what became of the model that came in."""
    import torch

    ours, theirs = demo(), diffusers_demo()
    before = snapshot(ours)
    trained, tensors = fox_run(ours, "native", 20)
    trained_too, tensors_too = fox_run(theirs, "diffusers", 20)
    again, _ = fox_run(ours, "native", 20)
    apart = [abs(a - b) for a, b in zip(trained.losses, trained_too.losses, strict=True)]
    largest = max(float(t.abs().max()) for t in tensors_too.values() if t.ndim)
    text = {name: float(tensors[name].norm()) for name in tensors if name.startswith("lora_te") and "up" in name}
    return {
        "losses": [trained.losses[0], trained.losses[-1]],
        "losses_apart": max(apart),
        "names_differ": sorted(tensors.keys() ^ tensors_too.keys())[:4],
        "factors_apart": max(float((tensors[n] - tensors_too[n]).abs().max()) for n in tensors) / largest,
        "text": [sum(text.values()), sum(float(tensors_too[name].norm()) for name in text)],
        "cached": again.cached,
        "changed": [name for name, tensor in snapshot(ours).items() if not torch.equal(tensor, before[name])],
        "inference": sorted({p.is_inference() for p in ours.denoiser.parameters()}),
    }


def snapshot(base: Any) -> dict[str, Any]:
    """Copies of all weights of model and text encoder."""
    roots = {"model": base._patcher.model, "clip": base._clip.cond_stage_model}
    return {f"{r}.{n}": t.clone() for r, root in roots.items() for n, t in root.state_dict().items()}


if __name__ == "__main__":
    main({"agree": agree, "train": train})

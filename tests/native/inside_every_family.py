"""Run by ComfyUI's own Python: the native backbone on a tiny model of each family, all in one process."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from comfyui_process import main
from inside_backbone import finished
from inside_demo import collect_messages
from inside_families import fixed_loss
from tiny_families import FAMILIES, known, loaded

PROMPTS = ["a zwx thing", "a zwx thing beside four other things on a table"]


class Case:
    """A family's base model, and what the checks need of it."""

    def __init__(self, name: str) -> None:
        from lora_workbench.nodes import native

        self.name = name
        self.model, self.clip, self.vae = loaded(name)
        self.base: Any = native.NativeBackbone(self.model, self.clip, self.vae, precision="fp32")
        self.side = 8 * self.base.info.latent_factor

    def latents(self, count: int = 2) -> Any:
        import torch

        return torch.randn(count, self.base.info.latent_channels, 8, 8, generator=torch.Generator().manual_seed(0))


def every(folder: str, *names: str) -> dict[str, Any]:
    """Family -> what the checks found, or the traceback of what went wrong; all families without ``names``."""
    here = known()
    return {name: _tried(name, Path(folder)) for name in names or FAMILIES if name in here}


def _tried(name: str, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    try:
        case = Case(name)
        found["info"] = _info(case)
        found["attention"] = _attention(case)
        checks: tuple[Callable[[Case, Path], dict[str, Any]], ...] = (trained, carried, prompted, sampled)
        for check in checks:
            found[check.__name__] = check(case, folder)
    except Exception:
        found["error"] = traceback.format_exc()[-3000:]
    return found


def _info(case: Case) -> dict[str, Any]:
    info = case.base.info
    return {
        "family": info.family, "prediction_type": info.prediction_type, "style": info.key_style,
        "architecture": info.architecture, "capabilities": sorted(info.capabilities),
        "styles_agree": info.key_style == info.traits.key_style,
    }  # fmt: skip


def _attention(case: Case) -> list[str]:
    """What tensors of the attention preset's layers are called in files, up to the part."""
    from lora_workbench.engine.adapters.names import stems

    base = case.base
    parts = [part for key in base.info.target_presets["attention"] for part, _ in base.file_parts(key)]
    return sorted(stems(parts, base.info.key_style).values())


def trained(case: Case, folder: Path) -> dict[str, Any]:
    """Twenty steps on one picture, at once and with a break, and the file in the stock loader."""
    import torch
    from lora_workbench.engine.adapters.stack import Stack, StackEntry
    from lora_workbench.engine.core.events import StepDone
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.embeddings import picture_batch
    from lora_workbench.engine.training.recipe import Recipe
    from PIL import Image

    base, side = case.base, case.side
    picture = Image.linear_gradient("L").convert("RGB").resize((side, side))
    dataset = dataset_from_images([picture], [PROMPTS[0]], case.name)
    recipe = Recipe.of(
        steps=20, learning_rate=5e-3, rank=4, alpha=4, batch_size=2, warmup_steps=0, snr_gamma=0, resolution=side,
        targets="all_layers", train_text_encoder="text_encoder_training" in base.info.capabilities,
        text_encoder_learning_rate=1e-3,
    )  # fmt: skip
    latents = base.encode_images(picture_batch([(record, record.views(side)[0][0]) for record in dataset]))
    before = {key: tensor.clone() for key, tensor in case.model.model.state_dict().items()}

    def run(store: str, **settings: Any) -> Any:
        return train_adapter(
            base, dataset, recipe.changed(**settings), seed=1, store=RunStore(folder / store / case.name),
            name=case.name,
        )  # fmt: skip

    first = fixed_loss(base, latents, PROMPTS[:1])
    whole = finished(run("whole"))
    events = run("broken")
    while not (isinstance(event := next(events), StepDone) and event.step == 10):
        pass
    events.close()
    resumed = finished(run("broken"))
    less = finished(run("less", checkpointing="all", steps=5))
    state = case.model.model.state_dict()
    changed = [key for key, tensor in state.items() if not torch.equal(tensor, before[key])]
    with base.carrying(Stack((StackEntry(whole.adapter),))):
        last = fixed_loss(base, latents, PROMPTS[:1])
    return {
        "losses": [first, last],
        "finite": all(map(torch.isfinite, map(torch.tensor, whole.losses))),
        "resumed_at": resumed.resumed_at,
        "memory": less.memory,
        "checkpointing_apart": max(abs(a - b) / a for a, b in zip(whole.losses, less.losses, strict=False)),
        "same_bits": whole.losses == resumed.losses and _same(whole.adapter, resumed.adapter),
        "encoders": sorted({key.split(".")[0] for key in whole.adapter.modules} - {"denoiser"}),
        "encoders_learned": all(
            any(bool(u.up.any()) for key, u in whole.adapter.modules.items() if key.startswith(f"{name}."))
            for name in base.text_encoder_names
        ),
        "latent": list(latents.shape),
        "changed": changed,
        "architecture": whole.adapter.metadata["modelspec.architecture"],
        "patches": _in_stock_loader(case, whole.adapter.path),
    }


def _same(one: Any, other: Any) -> bool:
    import torch

    return one.modules.keys() == other.modules.keys() and all(
        torch.equal(update.up, other.modules[key].up) and torch.equal(update.down, other.modules[key].down)
        for key, update in one.modules.items()
    )


def _in_stock_loader(case: Case, path: Path) -> dict[str, Any]:
    """What becomes of a file: patches on MODEL and CLIP, and complaints."""
    import comfy.sd
    import comfy.utils
    import torch

    messages = collect_messages()
    with torch.inference_mode():
        file = comfy.utils.load_torch_file(str(path))
        patched, clip = comfy.sd.load_lora_for_models(case.model, case.clip, file, 1.0, 1.0)
    return {
        "patches": [len(patched.patches), len(clip.patcher.patches)],
        "unmatched": [message for message in messages if "not loaded" in message.lower()],
        "alphas": sum(key.endswith(".alpha") for key in file),
    }


def carried(case: Case, folder: Path) -> dict[str, Any]:
    """An adapter for every layer: predictions in the mirror, by our stack and by the stock loader."""
    import comfy.sd
    import comfy.utils
    import torch
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.files import save_adapter
    from lora_workbench.engine.adapters.inject import injected
    from lora_workbench.engine.adapters.kinds import KINDS
    from lora_workbench.engine.adapters.stack import Stack, StackEntry
    from lora_workbench.nodes import native

    base, x = case.base, case.latents()
    levels = base.timesteps(torch.tensor([0.3, 0.8]))
    targets = {"denoiser": base.info.target_presets["all_layers"]}
    with torch.no_grad():
        conditioning = base.encode_prompts(PROMPTS)
        plain = base.predict(x, levels.t, conditioning)
        with (
            base.training(2, case.side),
            injected(KINDS.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=1, seed=0) as injection,
        ):
            for parameter in injection.parameters.values():
                parameter.normal_(std=0.2, generator=torch.Generator().manual_seed(parameter.numel()))
            mirrored = base.predict(x, levels.t, conditioning)
            updates = injection.result()
        modules = {part: u.rows(rows) for key, u in updates.items() for part, rows in base.file_parts(key)}
        adapter = Adapter(name="all", family=base.info.family, modules=modules, key_style=base.info.key_style)
        with base.carrying(Stack((StackEntry(adapter),))):
            stacked = base.predict(x, levels.t, conditioning)
        path = folder / f"{case.name}.safetensors"
        save_adapter(adapter, path, key_style=base.info.key_style, dtype="float32")
        told = _in_stock_loader(case, path)
        with torch.inference_mode():
            patched, _ = comfy.sd.load_lora_for_models(case.model, None, comfy.utils.load_torch_file(str(path)), 1, 1)
            stock = native.NativeBackbone(patched, case.clip, case.vae, precision="fp32")
        loaded_file = stock.predict(x, levels.t, conditioning)
        again = base.predict(x, levels.t, conditioning)
    scale = float((mirrored - plain).abs().max())
    return {
        "finite": bool(plain.isfinite().all()),
        "moved": scale,
        "stacked_apart": float((stacked - mirrored).abs().max()) / scale,
        "stock_apart": float((loaded_file - mirrored).abs().max()) / scale,
        "restored": float((again - plain).abs().max()),
        "layers": len(targets["denoiser"]),
        "parts": len(modules),
        "stock": told,
    }


def prompted(case: Case, folder: Path) -> dict[str, Any]:
    """Whether a prompt in a batch is what it is alone, and what guidance and pictures to edit change."""
    import torch
    from lora_workbench.engine.models.contract import Conditioning

    del folder
    base, x = case.base, case.latents(3)
    t = base.timesteps(torch.full((3,), 0.5)).t
    prompts = [*PROMPTS, "five words of another kind"]

    def change(**more: Any) -> float:
        return float((base.predict(x, t, Conditioning(together | more)) - whole).abs().max() / scale)

    with torch.no_grad():
        together = base.encode_prompts(prompts)
        whole = base.predict(x, t, together)
        scale = whole.abs().max()
        alone = [
            base.predict(x[i : i + 1], t[:1], base.encode_prompts([prompt]))[0] for i, prompt in enumerate(prompts)
        ]
        return {
            "apart": float((torch.stack(alone) - whole).abs().max() / scale),
            "prompts": float((base.predict(x, t, together.pick(torch.tensor([1, 2, 0]))) - whole).abs().max() / scale),
            "guidance": change(guidance=torch.tensor([4.0, 1.0, 1.0])),
            "reference": change(reference=2 * case.latents(3).flip(0)),
        }


def sampled(case: Case, folder: Path) -> dict[str, Any]:
    """Two steps of sampling with two prompts, each beside itself alone."""
    import torch

    del folder
    base = case.base

    def last(prompts: list[str], noise: Any) -> Any:
        negative = base.encode_prompts([""] * len(prompts))
        *_, found = base.sample(noise, base.encode_prompts(prompts), negative, steps=2, guidance=3.0)
        return found

    with torch.no_grad():
        noise = case.latents()
        both = last(PROMPTS, noise)
        second = last(PROMPTS[1:], noise[1:])
        picture = base.decode(both)
    return {
        "finite": bool(both.isfinite().all()),
        "apart": float((both[1:] - second).abs().max() / second.abs().max()),
        "picture": list(picture.shape),
    }


def seen(folder: str) -> dict[str, Any]:
    """Prompts that show pictures, beside ComfyUI's node for them, and a run on pairs."""
    import torch
    from comfy_extras.nodes_qwen import TextEncodeQwenImageEditPlus
    from lora_workbench.engine.data.pairs import load_pairs
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.recipe import Recipe
    from PIL import Image

    case = Case("qwen_image_edit_2511")
    base, prompts = case.base, ["a zwx thing (red)", "a zwx thing"]
    pictures = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = base.encode_prompts(prompts, 2 * pictures - 1)
        swapped = base.encode_prompts(prompts, 2 * pictures.flip(0) - 1)
        theirs = [
            TextEncodeQwenImageEditPlus.execute(case.clip, prompt, image1=picture[None].movedim(1, -1)).result[0][0][0]
            for prompt, picture in zip(prompts, pictures, strict=True)
        ]
    for name, color in {"a_start": "red", "a_end": "blue", "b_start": "green", "b_end": "white"}.items():
        Image.new("RGB", (case.side, case.side), color).save(Path(folder) / f"{name}.png")
    recipe = Recipe.of(steps=2, rank=2, alpha=2, warmup_steps=0, resolution=case.side)
    pairs = load_pairs(Path(folder), instruction="do it")
    run = finished(train_adapter(base, pairs, recipe, seed=1, store=RunStore(Path(folder) / "runs"), name="edit"))
    return {
        "capabilities": sorted(base.info.capabilities),
        "apart": [float((ours["cond"][i, : len(own[0])] - own[0]).abs().max()) for i, own in enumerate(theirs)],
        "pictures": float((ours["cond"] - swapped["cond"]).abs().max()),
        "trained": all(map(torch.isfinite, map(torch.tensor, run.losses))),
    }


def zero_terminal_snr(folder: str) -> dict[str, Any]:
    """NoobAI's noise levels and losses at both ends, beside the same model without zero terminal SNR."""
    import torch
    from lora_workbench.engine.diffusion.noise import add_noise
    from lora_workbench.engine.diffusion.prediction import target

    del folder
    case, x0 = Case("noobai"), Case("noobai").latents()
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    levels = case.base.timesteps(torch.tensor([0.0, 0.9999]))
    x_t = add_noise(x0, noise, levels.alpha, levels.sigma)
    wanted = target("v_prediction", x0, noise, levels.alpha, levels.sigma)
    with torch.no_grad():
        predicted = case.base.predict(x_t, levels.t, case.base.encode_prompts(PROMPTS))
    plain = Case("sdxl").base.timesteps(torch.tensor([0.9999]))
    return {
        "alpha": levels.alpha.tolist(), "plain_alpha": plain.alpha.tolist(),
        "noise_alone": float((x_t[1] - noise[1]).abs().max()),
        "wants_the_picture": float((wanted[1] + x0[1]).abs().max()),
        "losses": (predicted - wanted).square().mean(dim=(1, 2, 3)).tolist(),
        "predicted": float(predicted.abs().max()),
    }  # fmt: skip


def refused(folder: str) -> dict[str, str]:
    """What is said of models and pictures that can't be trained on, before the first step."""
    from types import SimpleNamespace

    from lora_workbench.engine.core.errors import WorkbenchError
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.recipe import Recipe
    from lora_workbench.nodes import native
    from PIL import Image
    from tiny_families import Tiny, model, wan
    from tiny_parts import autoencoder, words

    sd = FAMILIES["sd15"]
    inpainting = Tiny(config="SD15", denoiser={**sd.denoiser, "in_channels": 9}, text=sd.text, vae=sd.vae)
    to_film = {**wan(16), "model_type": "i2v", "in_dim": 36}
    animating = Tiny(config="WAN21_I2V", denoiser=to_film, text=words, vae=sd.vae)
    cascade = model(sd)
    cascade.model.model_config.__class__ = type("Stable_Cascade_C", (type(cascade.model.model_config),), {})
    sounding = model(sd)
    sounding.model.latent_format = SimpleNamespace(latent_channels=4, latent_dimensions=1)
    given = {
        "inpainting": (model(inpainting), sd.vae()), "animating": (model(animating), sd.vae()),
        "cascade": (cascade, sd.vae()), "sound": (sounding, sd.vae()), "vae": (model(sd), autoencoder(16)),
    }  # fmt: skip
    found = {}
    for name, (patcher, vae) in given.items():
        try:
            native.NativeBackbone(patcher, sd.text(), vae)
        except WorkbenchError as error:
            found[name] = str(error)
    base = Case("flux_dev").base
    dataset = dataset_from_images([Image.new("RGB", (72, 72))], ["a zwx thing"], "odd")
    try:
        recipe = Recipe.of(steps=1, resolution=72)
        finished(train_adapter(base, dataset, recipe, seed=1, store=RunStore(Path(folder) / "odd"), name="odd"))
    except WorkbenchError as error:
        found["size"] = str(error)
    return found


def detected(folder: str) -> dict[str, Any]:
    """Families that ComfyUI recognizes in a small file: loaded by its loader, trained, and the file's patches."""
    import comfy.sd
    import torch
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.recipe import Recipe
    from lora_workbench.nodes import native
    from PIL import Image
    from safetensors.torch import save_file
    from tiny_families import detectable, model

    found, here = {}, known()
    for name, (tiny, text) in detectable().items():
        if name not in here:
            continue
        path = Path(folder) / f"{name}_model.safetensors"
        with torch.inference_mode():
            save_file({k: t.contiguous() for k, t in model(tiny).model.diffusion_model.state_dict().items()}, path)
            case = object.__new__(Case)
            case.model = comfy.sd.load_diffusion_model(str(path), model_options={"dtype": torch.float32})
            case.clip, case.vae = text(), tiny.vae()
        base = native.NativeBackbone(case.model, case.clip, case.vae, precision="fp32")
        side = 4 * base.info.latent_factor
        dataset = dataset_from_images([Image.linear_gradient("L").convert("RGB").resize((side, side))], ["a"], name)
        recipe = Recipe.of(steps=2, rank=2, alpha=2, warmup_steps=0, resolution=side)
        store = RunStore(Path(folder) / "detected" / name)
        run = finished(train_adapter(base, dataset, recipe, seed=1, store=store, name=name))
        found[name] = {
            "config": type(case.model.model.model_config).__name__,
            "expected": tiny.config,
            "name": base.info.name,
            "stock": _in_stock_loader(case, run.adapter.path),
        }
    return found


def sd3_parts(models: str) -> list[str]:
    """Files of a small SD3 for ComfyUI's loaders: denoiser, one text encoder of the real size, autoencoder."""
    import comfy.sd1_clip
    import torch
    from checkpoints import FAMILIES as CHECKPOINTS
    from checkpoints import autoencoder, randomized
    from safetensors.torch import save_file
    from tiny_families import Tiny, model, words

    denoiser = {**FAMILIES["sd3"].denoiser, "adm_in_channels": 2048}
    with torch.inference_mode():
        parts = {
            "diffusion_models": model(
                Tiny(config="SD3", denoiser=denoiser, text=words, vae=words)
            ).model.diffusion_model,
            "text_encoders": comfy.sd1_clip.SDClipModel(dtype=torch.float16).transformer,
            "vae": autoencoder(CHECKPOINTS["sd3"]),
        }
        for folder, part in parts.items():
            path = Path(models) / folder / "small_sd3.safetensors"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.half().contiguous() for name, tensor in randomized(part).items()}, path)
    return sorted(parts)


if __name__ == "__main__":
    main({
        "every": every, "zero_terminal_snr": zero_terminal_snr, "refused": refused, "detected": detected, "seen": seen,
        "sd3_parts": sd3_parts,
    })  # fmt: skip

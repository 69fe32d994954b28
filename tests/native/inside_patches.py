"""Run by ComfyUI's own Python: stacks on small models of its own classes, beside chains of its own loaders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from comfyui_process import main

LORAS = Path("models/loras")
SD1 = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "channel_mult": [1, 2],
    "num_res_blocks": [1, 1], "transformer_depth": [1, 0], "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 0, 0], "context_dim": 32, "num_heads": 2, "num_head_channels": -1,
    "use_spatial_transformer": True, "use_linear_in_transformer": False, "use_temporal_attention": False,
    "adm_in_channels": None, "legacy": False,
}  # fmt: skip
FLUX = {
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "hidden_size": 64, "num_heads": 2, "depth": 1,
    "depth_single_blocks": 1, "mlp_ratio": 4.0, "context_in_dim": 32, "vec_in_dim": 32, "axes_dim": [8, 12, 12],
    "theta": 10000, "qkv_bias": True, "guidance_embed": True, "patch_size": 2,
    "txt_ids_dims": [],
}  # fmt: skip
CLIP = {
    "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64,
    "hidden_act": "quick_gelu", "max_position_embeddings": 77, "eos_token_id": 2,
}  # fmt: skip


def model(kind: str, config: Mapping[str, Any]) -> Any:
    """A MODEL with random weights."""
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    described = getattr(comfy.supported_models, kind)(dict(config))
    described.set_inference_dtype(torch.float32, None)
    return comfy.model_patcher.ModelPatcher(filled(described.get_model({}, "", device="cpu")), "cpu", "cpu")


def clip() -> Any:
    """A CLIP with random weights and no tokenizer."""
    import comfy.model_patcher
    import comfy.sd
    import comfy.sd1_clip
    import torch

    encoder = torch.nn.Module()
    encoder.clip_l = comfy.sd1_clip.SDClipModel(textmodel_json_config=dict(CLIP), dtype=torch.float32)
    made = comfy.sd.CLIP(no_init=True)
    made.cond_stage_model, made.tokenizer, made.layer_idx = filled(encoder), None, None
    made.tokenizer_options, made.use_clip_schedule, made.apply_hooks_to_conds = {}, False, None
    made.patcher = comfy.model_patcher.ModelPatcher(encoder, "cpu", "cpu")
    return made


def filled(module: Any) -> Any:
    """ComfyUI leaves the weights of its own classes as the memory was."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module.requires_grad_(False)


def lora(
    names: Mapping[str, Sequence[int]], *, seed: int, rank: int = 4, alpha: float | None = None, peft: bool = False
) -> dict[str, Any]:
    """A file's tensors.

    Args:
        names: module name as files have it -> shape of its weight.
        alpha: left out if ``None``.
        peft: name the factors ``lora_A`` and ``lora_B``.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (out, *rest) in names.items():
        down = torch.randn(rank, *rest, generator=generator)
        up = torch.randn(out, rank, *[1] * (len(rest) - 1), generator=generator)
        tensors[f"{name}.lora_{'A' if peft else 'down'}.weight"] = down.half()
        tensors[f"{name}.lora_{'B' if peft else 'up'}.weight"] = up.half()
        if alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(alpha)
    return tensors


def glora(names: Mapping[str, Sequence[int]], *, seed: int) -> dict[str, Any]:
    """A kind that is left to ComfyUI, with changed biases."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (out, inner, *_) in names.items():
        shapes = {"a1": (inner, 4), "a2": (4, inner), "b1": (out, 4), "b2": (4, inner)}
        tensors |= {f"{name}.{part}.weight": torch.randn(shape, generator=generator) for part, shape in shapes.items()}
        tensors[f"{name}.diff_b"] = torch.full((out,), 0.25)
    return tensors


def write(name: str, tensors: Mapping[str, Any], **metadata: str) -> str:
    from safetensors.torch import save_file

    path = LORAS / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), path, metadata=metadata)
    return f"{name}.safetensors"


def sd1_names() -> tuple[dict[str, Any], dict[str, Any]]:
    """kohya's names of some modules of the small UNet, convolutions among them, and of its text encoder."""
    attention = "lora_unet_down_blocks_0_attentions_0"
    block = f"{attention}_transformer_blocks_0"
    unet = {
        f"{attention}_proj_in": (32, 32, 1, 1),
        f"{block}_attn1_to_q": (32, 32),
        f"{block}_attn2_to_k": (32, 32),
        f"{block}_ff_net_0_proj": (256, 32),
        "lora_unet_mid_block_resnets_0_conv1": (64, 64, 3, 3),
    }
    text = {f"lora_te_text_model_encoder_layers_{n}_self_attn_q_proj": (32, 32) for n in range(2)}
    return unet, text


def weights(patcher: Any) -> dict[str, Any]:
    """Every weight as ComfyUI would compute it from the patches."""
    import comfy.lora

    state = patcher.model.state_dict()
    return {
        key: comfy.lora.calculate_weight(patches, state[key].float().clone(), key)
        for key, patches in patcher.patches.items()
    }


def difference(ours: Any, stock: Any) -> float:
    """Largest difference of two models' patched weights, relative to the weight's largest value."""
    ours, stock = weights(ours), weights(stock)
    assert ours.keys() == stock.keys()
    assert ours
    return max(float((ours[key] - stock[key]).abs().max() / stock[key].abs().max()) for key in stock)


def most_patches(patcher: Any) -> int:
    """Of one weight or slice."""
    return max(
        sum(other[3] == patch[3] for other in patches) for patches in patcher.patches.values() for patch in patches
    )


def chained(model: Any, clip: Any, entries: Sequence[Any]) -> tuple[Any, Any]:
    """The same by a chain of ComfyUI's own loaders."""
    from nodes import LoraLoader

    for name, weight, text_encoder_weight in entries:
        model, clip = LoraLoader().load_lora(model, clip, name, weight, text_encoder_weight)
    return model, clip


def apply(*args: Any, **inputs: Any) -> Any:
    """What the node gives, run as ComfyUI runs it."""
    import torch
    from lora_workbench.nodes.adapters.apply_stack import ApplyStack

    with torch.inference_mode():
        return ApplyStack.execute(*args, **inputs)


def text_of(output: Any) -> str:
    return output.ui["text"][0]


def reads(work: Callable[[], Any]) -> tuple[Any, int]:
    """What ``work`` gives, and how many safetensors files it opened."""
    import safetensors

    opened, original = [], safetensors.safe_open

    def counted(*args: Any, **options: Any) -> Any:
        opened.append(args)
        return original(*args, **options)

    safetensors.safe_open = counted
    try:
        return work(), len(opened)
    finally:
        safetensors.safe_open = original


def stack() -> dict[str, Any]:
    unet, text = sd1_names()
    native = {"diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q": (64, 64)}
    phrase = "modelspec.trigger_phrase"
    entries = [
        (write("fox", lora(unet | text, seed=1, alpha=2.0), **{phrase: "ohwx fox"}), 0.8, 0.5),
        (write("sub/owl", lora(unet | text, seed=2, rank=8, alpha=8.0), **{phrase: "qvk owl"}), -0.6, 1.0),
        (write("bare", lora(unet | native, seed=3, peft=True)), 1.1, 1.0),
    ]
    base, encoder = model("SD15", SD1), clip()
    theirs = chained(base, encoder, entries)
    first, opened = reads(lambda: apply(base, encoder, lora_stack=[(n.replace("/", "\\"), *w) for n, *w in entries]))
    halved = [(name, weight / 2, text_weight) for name, weight, text_weight in entries]
    second, again = reads(lambda: apply(base, encoder, lora_stack=halved))
    weaker = difference(second.args[0], chained(base, encoder, halved)[0])
    (LORAS / "fox.safetensors").unlink()
    write("fox", lora(unet, seed=9, alpha=2.0), **{phrase: "new fox"})
    third, changed = reads(lambda: apply(base, encoder, lora_stack=entries))
    return {
        "model": difference(first.args[0], theirs[0]),
        "clip": difference(first.args[1].patcher, theirs[1].patcher),
        "halved": weaker,
        "patches": [most_patches(first.args[0]), most_patches(theirs[0])],
        "triggers": [first.args[2], third.args[2]],
        "text": text_of(first),
        "reads": [opened, again, changed],
        "base": [len(base.patches), len(encoder.patcher.patches)],
    }


def block_weights() -> dict[str, Any]:
    """A file whose blocks have weights, beside a chain of files of one block each."""
    from lora_workbench.engine.adapters.block_weights import block_weights as written
    from lora_workbench.engine.adapters.files import load_adapter
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    unet, text = sd1_names()
    whole = lora(unet | text, seed=1, alpha=2.0)
    base, encoder = model("SD15", SD1), clip()
    adapter = load_adapter(LORAS / write("whole", whole))
    blocks = written("down.0=0.5, mid=-1, te.1=0", adapter)
    entries = [
        (write(f"part {part}", {name: tensor for name, tensor in whole.items() if part in name}), weight, text_weight)
        for part, weight, text_weight in (("down_blocks", 0.4, 0), ("mid_block", -0.8, 0), ("layers_0", 0, 0.5))
    ]
    theirs = chained(base, encoder, entries)
    ours = apply(base, encoder, stack=Stack((StackEntry(adapter, 0.8, 0.5, blocks=blocks),)))
    return {
        "model": difference(ours.args[0], theirs[0]),
        "clip": difference(ours.args[1].patcher, theirs[1].patcher),
        "text": text_of(ours),
    }


def slices() -> dict[str, Any]:
    """Fused weights: diffusers' names mean parts of them."""
    block, single = "transformer.transformer_blocks.0", "transformer.single_transformer_blocks.0"
    parts = {f"{block}.attn.to_{part}": (64, 64) for part in "qkv"}
    parts |= {f"{single}.attn.to_{part}": (64, 64) for part in "qkv"} | {f"{single}.proj_mlp": (256, 64)}
    fused = {"lora_unet_double_blocks_0_img_attn_qkv": (192, 64), "diffusion_model.single_blocks.0.linear2": (64, 320)}
    entries = [
        (write("parts", lora(parts, seed=1, peft=True)), 0.7, 1.0),
        (write("more", lora(parts, seed=2, rank=6, alpha=3.0)), 0.4, 1.0),
        (write("fused", lora(fused, seed=3, alpha=2.0)), 0.9, 1.0),
    ]
    base = model("Flux", FLUX)
    ours = apply(base, lora_stack=entries)
    theirs = chained(base, None, entries)[0]
    return {
        "difference": difference(ours.args[0], theirs),
        "patches": [most_patches(ours.args[0]), most_patches(theirs)],
        "text": text_of(ours),
    }


def other_kinds() -> dict[str, Any]:
    unet, _ = sd1_names()
    linear = {name: shape for name, shape in unet.items() if len(shape) == 2}
    entries = [
        (write("plain", lora(unet, seed=1, alpha=2.0)), 0.5, 1.0),
        (write("glora", glora(linear, seed=2), **{"modelspec.trigger_phrase": "rows"}), 0.6, 1.0),
    ]
    base = model("SD15", SD1)
    ours = apply(base, lora_stack=entries)
    return {
        "difference": difference(ours.args[0], chained(base, None, entries)[0]),
        "triggers": ours.args[2],
        "text": text_of(ours),
    }


REAL = {
    "SD1.5": ([2, 2, 2, 2], [1] * 6 + [0] * 2, [1] * 9 + [0] * 3, 1),
    "SDXL": ([2, 2, 2], [0, 0, 2, 2, 10, 10], [0, 0, 0, 2, 2, 2, 10, 10, 10], 10),
    "SDXL refiner": ([2, 2, 2, 2], [0, 0, 4, 4, 4, 4, 0, 0], [0, 0, 0, *[4] * 6, 0, 0, 0], 4),
    "a small one": ([1, 1, 1], [0, 2, 6], [0, 0, 2, 2, 6, 6], 6),
}
"""Residual blocks a level, transformers on the way down, up and in the middle."""


def tables() -> dict[str, Any]:
    """Names on which our table of ldm's names and ComfyUI's own differ, for the UNets that people have."""
    import comfy.utils
    from lora_workbench.engine.adapters.ldm_names import ldm_names

    found = {}
    for name, (blocks, down, up, middle) in REAL.items():
        config = {
            "num_res_blocks": blocks, "channel_mult": [1] * len(blocks), "transformer_depth": down,
            "transformer_depth_output": up, "transformer_depth_middle": middle,
        }  # fmt: skip
        last = len(blocks) - 1  # ComfyUI's table has samplers there, too, which no model has
        theirs = {
            ours.removesuffix(".weight"): ldm.removesuffix(".weight")
            for ours, ldm in comfy.utils.unet_to_diffusers(config).items()
            if ours.endswith(".weight") and not ours.startswith((f"down_blocks.{last}.d", f"up_blocks.{last}.u"))
        }
        ours = ldm_names(theirs)
        found[name] = sorted(path for path in theirs if ours.get(path) != theirs[path])
    return found


def writers() -> dict[str, float]:
    """One adapter by the names and scales of several programs, beside kohya's file in ComfyUI's own loader."""
    import json

    import comfy.utils

    unet, text = sd1_names()
    table = {
        name.removesuffix(".weight").replace(".", "_"): (name.removesuffix(".weight"), ldm.removesuffix(".weight"))
        for name, ldm in comfy.utils.unet_to_diffusers(SD1).items()
    }
    dotted = {name: table[name.removeprefix("lora_unet_")] for name in unet}
    encoder = {
        name: name.removeprefix("lora_te_").replace("_layers_", ".layers.").replace("_encoder", ".encoder")
        .replace("_self_attn_q_proj", ".self_attn.q_proj") for name in text
    }  # fmt: skip
    diffusers = {f"unet.{dotted[name][0]}": shape for name, shape in unet.items()}
    config = {"r": 4, "lora_alpha": 2.0, "alpha_pattern": {}, "rank_pattern": {}, "use_rslora": False}
    header = {"lora_adapter_metadata": json.dumps({f"unet.{key}": value for key, value in config.items()})}
    core = {f"diffusion_model.{dotted[name][1]}": shape for name, shape in unet.items()}
    core |= {f"text_encoders.clip_l.transformer.{encoder[name]}": shape for name, shape in text.items()}
    ldm = {f"lora_unet_{dotted[name][1]}".replace(".", "_"): shape for name, shape in unet.items()}
    bare = {f"base_model.model.{dotted[name][0]}": shape for name, shape in unet.items()}
    kohya = write("kohya", lora(unet | text, seed=1, alpha=2.0))
    files = {
        "ldm": (write("ldm", lora(ldm | text, seed=1, alpha=2.0)), 0.8),
        "core": (write("core", lora(core, seed=1, alpha=2.0)), 0.8),
        "diffusers": (write("diffusers", lora(diffusers, seed=1, peft=True), **header), 0.8),
        "peft": (write("peft/adapter_model", lora(bare, seed=1, peft=True)).rsplit("/", 1)[0], 0.8),
        "two names": (write("twice", lora(unet, seed=1, alpha=2.0) | lora(ldm, seed=1, alpha=2.0)), 0.4),
    }
    (LORAS / "peft" / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    base, clip_model = model("SD15", SD1), clip()
    theirs, their_clip = chained(base, clip_model, [(kohya, 0.8, 0.5)])
    found = {}
    for name, (file, weight) in files.items():
        output = apply(base, clip_model, lora_stack=[(file, weight, 0.5)])
        found[name] = difference(output.args[0], theirs)
        if name in ("ldm", "core"):
            found[f"{name}, text"] = difference(output.args[1].patcher, their_clip.patcher)
    return found


def in_memory() -> dict[str, Any]:
    """Adapters that were trained a moment ago, with module names of diffusers."""
    import torch
    from comfy_extras.nodes_train import LoraModelLoader
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.files import file_tensors
    from lora_workbench.engine.adapters.kinds import LowRank
    from lora_workbench.engine.adapters.stack import Stack, StackEntry

    generator = torch.Generator().manual_seed(0)
    block = "down_blocks.0.attentions.0.transformer_blocks.0"
    keys = [f"denoiser.{block}.attn1.to_q", f"denoiser.{block}.attn1.to_out.0"]
    modules = {
        key: LowRank(torch.randn(4, 32, generator=generator), torch.randn(32, 4, generator=generator), 2.0)
        for key in keys
    }
    adapter = Adapter(name="new", family="sd1", modules=modules)
    base = model("SD15", SD1)
    before = sorted(str(path) for path in Path.cwd().rglob("*"))
    ours, opened = reads(lambda: apply(base, stack=Stack((StackEntry(adapter, 0.8), StackEntry(adapter, 0.1)))))
    with torch.inference_mode():
        theirs = LoraModelLoader.execute(base, file_tensors(adapter, dtype="float32"), 0.9)
    return {
        "difference": difference(ours.args[0], theirs.args[0]),
        "patches": most_patches(ours.args[0]),
        "reads": opened,
        "written": sorted(str(path) for path in Path.cwd().rglob("*")) != before,
        "text": text_of(ours),
    }


def misfits() -> dict[str, Any]:
    unet, text = sd1_names()
    half = {name: shape if "attn1" in name or "attn2" in name else (7, 7) for name, shape in unet.items()}
    base = model("SD15", SD1)
    told = {"partly": text_of(apply(base, lora_stack=[(write("half", lora(half, seed=1)), 1.0, 1.0)]))}
    told["no clip"] = text_of(apply(base, lora_stack=[(write("both", lora(unet | text, seed=1)), 1.0, 1.0)]))
    told["nothing"] = text_of(apply(base))
    strange = {"lora_unet_double_blocks_0_img_attn_qkv": (192, 64)}
    for name, lora_stack in {
        "foreign": [(write("giant", lora(strange, seed=1)), 1.0, 1.0)],
        "missing": [("sub\\gone.safetensors", 1.0, 1.0)],
        "outside": [("../../gone.safetensors", 1.0, 1.0)],
        "malformed": [("half.safetensors", 1.0)],
    }.items():
        try:
            apply(base, lora_stack=lora_stack)
        except Exception as error:
            told[name] = f"{type(error).__name__}: {error}"
    return told


def lists() -> dict[str, Any]:
    """What the loaders offer, before and after a file was saved into a folder that wasn't there."""
    import os

    import folder_paths
    import torch
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.kinds import LowRank
    from lora_workbench.nodes.adapters.save_adapter import SaveAdapter
    from lora_workbench.nodes.adapters.stack_adapters import StackAdapters

    from nodes import LoraLoader

    folder_paths.add_model_folder_path("loras", os.path.join(folder_paths.get_output_directory(), "loras"))
    update = LowRank(torch.ones(2, 4), torch.ones(4, 2), 2.0)
    adapter = Adapter(name="new", family="sd1", modules={"denoiser.mid_block.attentions.0.proj_in": update})

    def offered() -> list[str]:
        return [name for name in LoraLoader.INPUT_TYPES()["required"]["lora_name"][0] if "new" in name]

    found = {"before": offered()}
    with torch.inference_mode():
        SaveAdapter.execute(adapter, "deep/new", "float16")
        found["saved"] = offered()
        output = StackAdapters.execute(adapter, 0.5, 1.0, True)
        found["unlinked"] = offered()
        found["named"] = [list(entry) for entry in output.args[2]]
    found["linked"] = offered()
    return found


def pictures() -> dict[str, Any]:
    """Largest differences, in steps of 8 bits, of what ComfyUI's own sampler draws on the demo base."""
    import comfy.lora
    from lora_workbench.nodes.host import host

    base, encoder, vae = host().native().demo_checkpoint()
    unet_names = comfy.lora.model_lora_keys_unet(base.model, {})
    text_names = comfy.lora.model_lora_keys_clip(encoder.cond_stage_model, {})
    shapes = {
        name: tuple(state[key].shape)
        for names, state in ((unet_names, base.model.state_dict()), (text_names, encoder.cond_stage_model.state_dict()))
        for name, key in names.items()
        if ("_attn" in name or "_self_attn" in name) and name.startswith(("lora_unet_down", "lora_te_"))
    }
    entries = [
        (write("one", lora(shapes, seed=1, alpha=0.2)), 0.5, 0.5),
        (write("two", lora(shapes, seed=2, rank=8, alpha=0.4)), 1.0, 1.0),
    ]
    output = apply(base, encoder, lora_stack=entries)
    ours, stock = (drawn(*pair, vae) for pair in (output.args[:2], chained(base, encoder, entries)))
    plain = drawn(base, encoder, vae)
    return {"stock": float((ours - stock).abs().max() * 255), "plain": float((ours - plain).abs().max() * 255)}


def drawn(model: Any, clip: Any, vae: Any) -> Any:
    """A picture by KSampler in four steps."""
    import torch

    from nodes import CLIPTextEncode, KSampler

    with torch.inference_mode():
        prompts = [CLIPTextEncode().encode(clip, text)[0] for text in ("a red apple", "")]
        latent = {"samples": torch.zeros(1, 8, 16, 16)}
        return vae.decode(KSampler().sample(model, 3, 4, 4.0, "euler", "normal", *prompts, latent)[0]["samples"])


def everything() -> dict[str, Any]:
    checks = (stack, block_weights, slices, other_kinds, tables, writers, in_memory, misfits, lists, pictures)
    return {check.__name__: check() for check in checks}


if __name__ == "__main__":
    main({"everything": everything})

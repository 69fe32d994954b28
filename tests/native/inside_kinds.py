"""Run by ComfyUI's own Python: adapters of all kinds on a small UNet, by our patches, by ComfyUI's, and headless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from comfyui_process import main
from inside_patches import (
    FLUX,
    LORAS,
    SD1,
    apply,
    chained,
    clip,
    difference,
    lora,
    model,
    sd1_names,
    text_of,
    weights,
    write,
)
from kind_samples import SAMPLES, Values


def file(kind: str) -> str:
    """The name of a file with this kind on some modules of the UNet."""
    of, (names, _) = Values(), sd1_names()
    made = {name: SAMPLES[kind](of, *shape) for name, shape in names.items()}
    return write(kind, {f"{name}.{part}": tensor for name, parts in made.items() for part, tensor in parts.items()})


def headless(base: Any, entries: Sequence[tuple[str, float, float]]) -> Mapping[str, Any]:
    """The weights as stacks give them without ComfyUI."""
    import comfy.lora
    from lora_workbench.engine.adapters.files import load_adapter
    from lora_workbench.engine.adapters.kinds.summing import updated
    from lora_workbench.engine.adapters.names import stems

    keys, state = comfy.lora.model_lora_keys_unet(base.model, {}), base.model.state_dict()
    parts: dict[str, list[Any]] = {}
    for name, share, _ in entries:
        modules = load_adapter(LORAS / name).modules
        for module, stem in stems(modules, "kohya").items():
            parts.setdefault(keys[stem], []).append((modules[module], share))
    return {key: updated(state[key].float(), found) for key, found in parts.items()}


def compared(base: Any, entries: Sequence[tuple[str, float, float]]) -> dict[str, float]:
    """Largest differences of our weights to those of ComfyUI's loaders and of a headless run."""
    ours, stock = weights(apply(base, lora_stack=entries).args[0]), weights(chained(base, None, entries)[0])
    state, alone = base.model.state_dict(), headless(base, entries)
    keys = {key for key in ours if key.endswith(".weight")}
    assert alone.keys() == keys
    return {
        name: max(float((ours[key] - other.get(key, state[key])).abs().max() / ours[key].abs().max()) for key in keys)
        for name, other in (("stock", stock), ("headless", alone))
    }


def kinds() -> dict[str, Any]:
    base = model("SD15", SD1)
    names = {kind: file(kind) for kind in SAMPLES}
    return {
        kind: {str(share): compared(base, [(name, share, 1.0)]) for share in (1.0, 0.6)} for kind, name in names.items()
    }


def trained() -> dict[str, Any]:
    """Files as training writes them, by kind and first values, with a value that learned in every tensor: differences
    of denoiser and text encoder, by weight in the stack."""
    import torch
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.files import save_adapter
    from lora_workbench.engine.adapters.kinds import TRAINED
    from lora_workbench.engine.adapters.kinds.first_values import FIRST_VALUES

    base, encoder, of = model("SD15", SD1), clip(), Values()
    before = {f"denoiser.{name.removeprefix('lora_unet_')}": weight for name, weight in layers(base, 0).items()}
    before |= {f"text_encoder.{name.removeprefix('lora_te_')}": weight for name, weight in layers(encoder, 1).items()}
    kinds = {kind.name: kind for kind in TRAINED} | {init: kind() for init, kind in FIRST_VALUES.items()}
    found = {}
    for name, kind in kinds.items():
        modules = {}
        for key, weight in before.items():
            first = kind.begin(
                tuple(weight.shape), lambda weight=weight: weight, rank=4, generator=torch.Generator().manual_seed(0)
            )
            moved = {part: value if part in kind.fixed else value + of(*value.shape) for part, value in first.items()}
            modules[key] = kind.update(moved, 3.0).for_comfyui(lambda weight=weight: weight)
        adapter = Adapter(name=name, family="sd1", modules=modules, key_style="kohya")
        LORAS.mkdir(parents=True, exist_ok=True)
        file = f"trained-{name}.safetensors"
        save_adapter(adapter, LORAS / file, key_style="kohya", dtype="float32")
        found[name] = {str(share): everywhere(base, encoder, file, share) for share in (1, 0.5)}
    return found


def layers(patched: Any, side: int) -> dict[str, Any]:
    """Name in files -> weight, of the modules of one side of ``sd1_names``."""
    import comfy.lora

    text = side == 1
    root = patched.cond_stage_model if text else patched.model
    keys = (comfy.lora.model_lora_keys_clip if text else comfy.lora.model_lora_keys_unet)(root, {})
    state = root.state_dict()
    return {name: state[keys[name]].float() for name in sd1_names()[side]}


def everywhere(base: Any, encoder: Any, name: str, share: float) -> float:
    """Largest difference of both sides' weights to those of ComfyUI's loaders."""
    entries = [(name, share, share)]
    ours, stock = apply(base, encoder, lora_stack=entries).args, chained(base, encoder, entries)
    return max(difference(ours[0], stock[0]), difference(ours[1].patcher, stock[1].patcher))


def saved_for_comfyui() -> dict[str, Any]:
    """Files of all kinds as Save Adapter writes them for ComfyUI's loaders, beside what they are by our own code."""
    import torch
    from generators import result
    from lora_workbench.engine.adapters.converting import converted
    from lora_workbench.engine.adapters.files import load_adapter, save_adapter
    from tiny import Parts

    base, denoiser = model("SD15", SD1), torch.nn.Module()
    for name, weight in layers(base, 0).items():
        out, inner, *kernel = weight.shape
        layer = torch.nn.Conv2d(inner, out, kernel) if kernel else torch.nn.Linear(inner, out)
        layer.weight.data = weight
        denoiser.add_module(name.removeprefix("lora_unet_"), layer)
    found = {}
    for kind in SAMPLES:
        adapter = load_adapter(LORAS / file(kind))
        made = result(converted(adapter, "ComfyUI", base=Parts(denoiser=denoiser), rank=300)).adapter
        save_adapter(made, LORAS / f"made-{kind}.safetensors", key_style="kohya", dtype="float32")
        before = apply(base, lora_stack=[(f"{kind}.safetensors", 1.0, 1.0)]).args[0]
        found[kind] = difference(before, chained(base, None, [(f"made-{kind}.safetensors", 1.0, 1.0)])[0])
    return found


def mixed() -> dict[str, Any]:
    """Stacks of several kinds, in two orders."""
    base = model("SD15", SD1)
    shares = {"dora_of_columns": 0.7, "lora_with_core": 0.8, "loha": -0.5, "boft": 1.0, "lokr": 0.6, "full": 0.3}
    entries = [(file(kind), share, 1.0) for kind, share in shares.items()]
    plain = [(write("plain", lora(sd1_names()[0], seed=1, alpha=2.0)), 0.5, 1.0)]
    first, last = compared(base, entries + plain), compared(base, plain + entries[::-1])
    turned = [apply(base, lora_stack=found).args[0] for found in (entries, entries[::-1])]
    return {"first": first, "last": last, "order": difference(*turned)}


def slices() -> dict[str, float]:
    """Rows of fused weights, and rows in another order than in files."""
    block, base = "transformer.transformer_blocks.0.attn", model("Flux", FLUX)
    names = {f"{block}.to_{part}": (64, 64) for part in "qkv"} | {"transformer.norm_out.linear": (128, 64)}
    found = {}
    for kind in ("loha", "lokr", "dora_of_columns", "boft"):
        of = Values()
        tensors = {
            f"{name}.{suffix}": tensor
            for name, shape in names.items()
            if kind != "boft" or "norm_out" not in name
            for suffix, tensor in SAMPLES[kind](of, *shape).items()
        }
        entries = [(write(f"sliced-{kind}", tensors), 1.0, 1.0)]
        found[kind] = difference(apply(base, lora_stack=entries).args[0], chained(base, None, entries)[0])
    change = Values()(64)
    bias = weights(apply(base, lora_stack=[(write("bias", {f"{block}.to_k.diff_b": change}), 0.5, 1.0)]).args[0])
    [(key, after)] = bias.items()
    before = base.model.state_dict()[key].clone()
    before[64:128] += 0.5 * change
    return {**found, "bias": float((after - before).abs().max())}


def biases() -> dict[str, Any]:
    """Biases and norms, also where the model has no bias."""
    of, attention = Values(), "lora_unet_down_blocks_0_attentions_0"
    tensors = {
        f"{attention}_norm.w_norm": of(32),
        f"{attention}_norm.b_norm": of(32),
        f"{attention}_transformer_blocks_0_norm1.diff": of(32),
        f"{attention}_proj_in.diff_b": of(32),
        "lora_unet_mid_block_resnets_0_conv1.diff": of(64, 64, 3, 3),
        "lora_unet_mid_block_resnets_0_conv1.diff_b": of(64),
    }
    base = model("SD15", SD1)
    entries = [(write("biases", tensors), 0.7, 1.0), (write("again", tensors), -0.2, 1.0)]
    ours = apply(base, lora_stack=entries)
    to_q = f"{attention}_transformer_blocks_0_attn1_to_q"
    nowhere = write("nowhere", {**lora({to_q: (32, 32)}, seed=1), f"{to_q}.diff_b": of(32)})
    return {
        "stock": difference(ours.args[0], chained(base, None, entries)[0]),
        "changed": len(weights(ours.args[0])),
        "nowhere": text_of(apply(base, lora_stack=[(nowhere, 1.0, 1.0)])),
    }


def identities() -> dict[str, Any]:
    """Whether models with adapters of equal shapes and other values are told apart."""
    from lora_workbench.nodes.native.identity import _patcher

    base, name = model("SD15", SD1), file("oft")
    first = _patcher(apply(base, lora_stack=[(name, 1.0, 1.0)]).args[0])
    same = _patcher(apply(base, lora_stack=[(name, 1.0, 1.0)]).args[0])
    weaker = _patcher(apply(base, lora_stack=[(name, 0.9, 1.0)]).args[0])
    other = _patcher(apply(base, lora_stack=[(file("oft_rescaled"), 1.0, 1.0)]).args[0])
    return {"same": first == same, "told apart": first not in (weaker, other)}


def everything() -> dict[str, Any]:
    return {check.__name__: check() for check in (kinds, trained, saved_for_comfyui, mixed, slices, biases, identities)}


if __name__ == "__main__":
    main({"everything": everything})

"""Run by ComfyUI's own Python: adapters of all kinds on a small UNet, by our patches, by ComfyUI's, and headless."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from comfyui_process import main
from inside_patches import LORAS, SD1, apply, chained, difference, lora, model, sd1_names, text_of, weights, write

RANK = 4


class Values:
    """Random tensors, the same at each run."""

    def __init__(self) -> None:
        import torch

        self._generator = torch.Generator().manual_seed(5)

    def __call__(self, *shape: int) -> Any:
        import torch

        return 0.3 * torch.randn(*shape, generator=self._generator)


def locon(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Any]:
    ones = [1] * len(kernel)
    down, up = of(RANK, inner, *ones), of(out, RANK, *ones)
    core = {"lora_mid.weight": of(RANK, RANK, *kernel)} if kernel else {}
    return {"lora_down.weight": down, "lora_up.weight": up, "alpha": _number(2.0), **core}


def dora_rows(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Any]:
    return {**locon(of, out, inner, *kernel), "dora_scale": 1 + of(out, 1, *[1] * len(kernel))}


def dora_columns(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Any]:
    return {**locon(of, out, inner, *kernel), "dora_scale": 1 + of(1, inner, *[1] * len(kernel))}


def loha(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Any]:
    width = inner * math.prod(kernel)
    sides = {f"hada_w{n}_{side}": of(*shape) for n in (1, 2) for side, shape in _factors(out, width).items()}
    return {**sides, "alpha": _number(2.0)}


def loha_with_cores(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Any]:
    if len(kernel) < 2:
        return loha(of, out, inner, *kernel)
    sides = {f"hada_w{n}_{side}": of(RANK, width) for n in (1, 2) for side, width in (("a", out), ("b", inner))}
    return {**sides, **{f"hada_t{n}": of(RANK, RANK, *kernel) for n in (1, 2)}, "alpha": _number(2.0)}


def lokr(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Any]:
    factors = _factors(out // 2, inner // 2 * math.prod(kernel))
    return {"lokr_w1": of(2, 2), "alpha": _number(2.0), **{f"lokr_w2_{side}": of(*s) for side, s in factors.items()}}


def lokr_full(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Any]:
    return {"lokr_w1": of(4, 4), "lokr_w2": of(out // 4, inner // 4, *kernel), "alpha": _number(1e10)}


def oft(of: Values, out: int, *_: int) -> dict[str, Any]:
    return {"oft_blocks": of(out // 8, 8, 8)}


def oft_bounded(of: Values, out: int, *_: int) -> dict[str, Any]:
    return {"oft_blocks": of(out // 8, 8, 8), "alpha": _number(0.001)}


def oft_rescaled(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Any]:
    return {**oft(of, out), "rescale": 1 + of(out, 1, *[1] * len(kernel))}


def boft(of: Values, out: int, *_: int) -> dict[str, Any]:
    return {"oft_blocks": of(2, out // 8, 8, 8), "alpha": _number(0.0)}


def full(of: Values, *shape: int) -> dict[str, Any]:
    return {"diff": of(*shape)}


KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    kind.__name__: kind
    for kind in (
        locon, dora_rows, dora_columns, loha, loha_with_cores, lokr, lokr_full, oft, oft_bounded, oft_rescaled, boft,
        full,
    )
}  # fmt: skip


def _number(value: float) -> Any:
    import torch

    return torch.tensor(value)


def _factors(out: int, width: int) -> dict[str, tuple[int, int]]:
    return {"a": (out, RANK), "b": (RANK, width)}


def file(kind: str) -> str:
    """The name of a file with this kind on some modules of the UNet."""
    of, (names, _) = Values(), sd1_names()
    made = {name: KINDS[kind](of, *shape) for name, shape in names.items()}
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
    ours = apply(base, lora_stack=entries).args[0]
    alone = headless(base, entries)
    found = weights(ours)
    assert alone.keys() == found.keys()
    apart = max(float((found[key] - alone[key]).abs().max() / found[key].abs().max()) for key in alone)
    return {"stock": difference(ours, chained(base, None, entries)[0]), "headless": apart}


def kinds() -> dict[str, Any]:
    base = model("SD15", SD1)
    names = {kind: file(kind) for kind in KINDS}
    return {
        kind: {str(share): compared(base, [(name, share, 1.0)]) for share in (1.0, 0.6)} for kind, name in names.items()
    }


def mixed() -> dict[str, Any]:
    """Stacks of several kinds, in two orders."""
    base = model("SD15", SD1)
    shares = {"dora_columns": 0.7, "locon": 0.8, "loha": -0.5, "oft": 1.0, "lokr": 0.6, "full": 0.3}
    entries = [(file(kind), share, 1.0) for kind, share in shares.items()]
    plain = [(write("plain", lora(sd1_names()[0], seed=1, alpha=2.0)), 0.5, 1.0)]
    first, last = compared(base, entries + plain), compared(base, plain + entries[::-1])
    turned = [apply(base, lora_stack=found).args[0] for found in (entries, entries[::-1])]
    return {"first": first, "last": last, "order": difference(*turned)}


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
    other = _patcher(apply(base, lora_stack=[(file("oft_bounded"), 1.0, 1.0)]).args[0])
    return {"same": first == same, "told apart": first not in (weaker, other)}


def everything() -> dict[str, Any]:
    return {check.__name__: check() for check in (kinds, mixed, biases, identities)}


if __name__ == "__main__":
    main({"everything": everything})

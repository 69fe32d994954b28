"""Tensors of every kind of adapter, as in files, for layers of any shape."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

RANK = 2


class Values:
    """Random tensors."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int) -> Tensor:
        return 0.3 * torch.randn(*shape, generator=self._generator)


Sample = Callable[..., dict[str, Tensor]]
"""(values, out, in, *kernel) -> suffix -> tensor."""


def lora(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    up = of(out, RANK, *[1] * len(kernel))
    return {"lora_down.weight": of(RANK, inner, *kernel), "lora_up.weight": up, "alpha": torch.tensor(3.0)}


def lora_with_core(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    core = {"lora_mid.weight": of(RANK, RANK, *kernel)} if kernel else {}
    return {**lora(of, out, inner, *[1] * len(kernel)), **core}


def lora_with_bias(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    return {**lora(of, out, inner, *kernel), "diff_b": of(out)}


def dora(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    return {**lora(of, out, inner, *kernel), "dora_scale": 1 + of(out, 1, *[1] * len(kernel))}


def dora_of_columns(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    return {**lora(of, out, inner, *kernel), "dora_scale": 1 + of(1, inner, *[1] * len(kernel))}


def dora_of_peft(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    magnitude = 1 + of(*((1, out, *[1] * len(kernel)) if kernel else (out,)))
    return {**lora(of, out, inner, *kernel), "lora_magnitude_vector": magnitude}


def loha(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    shapes = {"a": (out, RANK), "b": (RANK, inner * prod(kernel))}
    return {"alpha": torch.tensor(3.0), **{f"hada_w{n}_{s}": of(*shape) for n in (1, 2) for s, shape in shapes.items()}}


def loha_with_cores(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    if not kernel:
        return loha(of, out, inner)
    factors = {f"hada_w{n}_{side}": of(RANK, width) for n in (1, 2) for side, width in (("a", out), ("b", inner))}
    return {**factors, **{f"hada_t{n}": of(RANK, RANK, *kernel) for n in (1, 2)}}


def loha_decomposed(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    return {**loha(of, out, inner, *kernel), "dora_scale": 1 + of(out, 1, *[1] * len(kernel))}


def lokr(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    factors = {"lokr_w2_a": of(out // 2, RANK), "lokr_w2_b": of(RANK, inner // 2 * prod(kernel))}
    return {"lokr_w1": of(2, 2), **factors, "alpha": torch.tensor(3.0)}


def lokr_with_core(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    if not kernel:
        return lokr(of, out, inner)
    factors = {"lokr_w2_a": of(RANK, out // 2), "lokr_w2_b": of(RANK, inner // 2)}
    return {"lokr_w1_a": of(2, RANK), "lokr_w1_b": of(RANK, 2), **factors, "lokr_t2": of(RANK, RANK, *kernel)}


def lokr_whole(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    return {"lokr_w1": of(2, 2), "lokr_w2": of(out // 2, inner // 2, *kernel), "alpha": torch.tensor(1e10)}


def oft(of: Values, out: int, *_: int) -> dict[str, Tensor]:
    return {"oft_blocks": of(out // 2, 2, 2), "alpha": torch.tensor(0.01)}


def oft_rescaled(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    return {"oft_diag": of(out // 2, 2, 2), "rescale": 1 + of(out, 1, *[1] * len(kernel))}


def boft(of: Values, out: int, *_: int) -> dict[str, Tensor]:
    return {"oft_blocks": of(2, out // 2, 2, 2), "alpha": torch.tensor(0.0)}


def oft_of_inputs(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    return oft(of, out) if prod(kernel) > 1 else {"oft_R.weight": of(inner // 4, 6)}


def oft_of_onetrainer(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    found = oft_of_inputs(of, out, inner, *kernel)
    return {**found, "oft_R.scaled_oft": torch.tensor(1)} if "oft_R.weight" in found else found


def full(of: Values, out: int, inner: int, *kernel: int) -> dict[str, Tensor]:
    return {"diff": of(out, inner, *kernel), "diff_b": of(out)}


SAMPLES: dict[str, Sample] = {
    sample.__name__: sample
    for sample in (
        lora, lora_with_core, lora_with_bias, dora, dora_of_columns, dora_of_peft, loha, loha_with_cores,
        loha_decomposed, lokr, lokr_with_core, lokr_whole, oft, oft_rescaled, boft, oft_of_inputs, oft_of_onetrainer,
        full,
    )
}  # fmt: skip


class Net(nn.Module):
    """Layers of each sort."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(12, 8)
        self.point = nn.Conv2d(8, 12, 1)
        self.kernel = nn.Conv2d(12, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.bare = nn.Linear(8, 8, bias=False)

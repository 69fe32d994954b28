"""Outputs and gradients of every kind that is trained, against its paper's formula for the whole weight in float64.

The reference writes the changed weight down as the paper does, computes the layer with it, and leaves the gradients to
autograd. The kinds never make that weight, or make it again in the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.adapters.kinds.contract import TrainableKind
from lora_workbench.engine.adapters.kinds.gralora import Gralora
from lora_workbench.engine.adapters.kinds.lokr import Lokr
from torch import Tensor, nn
from torch.nn import functional

RANK, ALPHA = 4, 6.0
Factors = dict[str, Tensor]
Merged = Callable[[Tensor, Factors, float], Tensor]
"""(weight, factors, alpha / rank) -> changed weight."""


def lora(weight: Tensor, f: Factors, scale: float) -> Tensor:
    """W + s B A (arXiv:2106.09685, eq. 3)."""
    return weight + scale * torch.einsum("or,ri...->oi...", f["up"].flatten(1), f["down"])


def dora(weight: Tensor, f: Factors, scale: float) -> Tensor:
    """m (W + s B A) / |W + s B A| (arXiv:2402.09353, eq. 5), a row at a time as its authors' code has it."""
    rows = [m * row / row.square().sum().sqrt() for m, row in zip(f["magnitude"], lora(weight, f, scale), strict=True)]
    return torch.stack([row.reshape(weight.shape[1:]) for row in rows])


def loha(weight: Tensor, f: Factors, scale: float) -> Tensor:
    """W + s (A1 B1) ⊙ (A2 B2) (arXiv:2108.06098, eq. 2)."""
    product = (f["hada_w1_a"] @ f["hada_w1_b"]) * (f["hada_w2_a"] @ f["hada_w2_b"])
    return weight + scale * product.reshape(weight.shape)


def lokr(weight: Tensor, f: Factors, scale: float) -> Tensor:
    """W + s C ⊗ (B A) (arXiv:2309.14859, eq. 5), block by block."""
    first = f["lokr_w1"]
    rows, columns = weight.shape[0] // first.shape[0], weight.shape[1] // first.shape[1]
    whole = f["lokr_w2"] if "lokr_w2" in f else f["lokr_w2_a"] @ f["lokr_w2_b"].flatten(1)
    second = whole.reshape(rows, columns, *weight.shape[2:])
    change = torch.cat([torch.cat([value * second for value in row], dim=1) for row in first])
    return weight + (1.0 if "lokr_w2" in f else scale) * change


def oft(weight: Tensor, f: Factors, scale: float) -> Tensor:
    """R^T W with R = diag((I + Q) (I - Q)^-1) and Q = B - B^T (arXiv:2306.07280, section 3.2)."""
    del scale
    eye = torch.eye(f["oft_blocks"].shape[-1], dtype=weight.dtype)
    turns = [(eye + b - b.T) @ torch.linalg.inv(eye - b + b.T) for b in f["oft_blocks"]]
    return (torch.block_diag(*turns).T @ weight.flatten(1)).reshape(weight.shape)


def gralora(weight: Tensor, f: Factors, scale: float, k: int = 2) -> Tensor:
    """W + s B_ij A_ij in each block of k by k (arXiv:2505.20355, eq. 8)."""
    out, inner, share = weight.shape[0] // k, weight.shape[1] // k, RANK // k
    rows = []
    for i in range(k):
        of_row = []
        for j in range(k):
            up = f["up"].flatten(1)[i * out : (i + 1) * out, j * share : (j + 1) * share]
            down = f["down"][j * RANK + i * share : j * RANK + (i + 1) * share]
            block = weight[i * out : (i + 1) * out, j * inner : (j + 1) * inner]
            of_row.append(block + scale * torch.einsum("or,ri...->oi...", up, down))
        rows.append(torch.cat(of_row, dim=1))
    return torch.cat(rows)


KINDS: dict[str, tuple[TrainableKind, Merged]] = {
    "lora": (TRAINED.get("lora"), lora),
    "dora": (TRAINED.get("dora"), dora),
    "loha": (TRAINED.get("loha"), loha),
    "lokr": (Lokr(factor=3), lokr),
    "lokr with a whole second matrix": (TRAINED.get("lokr"), lokr),
    "oft": (TRAINED.get("oft"), oft),
    "gralora": (Gralora(2), gralora),
    "gralora of 4": (Gralora(4), lambda weight, f, scale: gralora(weight, f, scale, 4)),
}
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(24, 32),
    "linear without bias": lambda: nn.Linear(24, 32, bias=False),
    "convolution": lambda: nn.Conv2d(24, 32, 3, stride=2, padding=1),
    "dilated convolution": lambda: nn.Conv2d(24, 32, 3, padding=2, dilation=2, bias=False),
    "convolution of 1": lambda: nn.Conv2d(24, 32, 1),
    "convolution of one dimension": lambda: nn.Conv1d(24, 32, 3, padding=1),
}
OF_TWO_DIMENSIONS = {"convolution of one dimension": (2, 24, 9)}


def test_every_kind_that_recipes_offer_is_here() -> None:
    assert {kind.name for kind, _ in KINDS.values()} == {*TRAINED.names()}


@pytest.mark.parametrize("layer_name", LAYERS)
@pytest.mark.parametrize("kind_name", KINDS)
def test_outputs_and_gradients_are_those_of_the_changed_weight(kind_name: str, layer_name: str) -> None:
    kind, merged = KINDS[kind_name]
    torch.manual_seed(0)
    layer: Any = LAYERS[layer_name]().requires_grad_(False)
    shape = OF_TWO_DIMENSIONS.get(layer_name, (2, 24, 7, 7) if hasattr(layer, "kernel_size") else (2, 5, 24))
    x = torch.randn(shape, requires_grad=True)
    weight, factors = layer.weight, moved(kind, layer.weight)
    assert ("lokr_w2" in factors) == ("whole" in kind_name)
    scale = kind.scale(factors, rank=RANK, alpha=ALPHA)

    ours = kind.forward(layer, layer.forward, factors, scale, x)
    exact = {name: value.detach().double().requires_grad_() for name, value in {**factors, "x": x}.items()}
    theirs = computed(layer, merged(weight.double(), exact, ALPHA / RANK), exact["x"])
    assert (ours - layer(x)).abs().max() > 0.05, "it changes something"
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-4)

    direction = torch.randn(ours.shape)
    (ours * direction).sum().backward()
    (theirs * direction).sum().backward()
    for name, value in {**factors, "x": x}.items():
        wanted = exact[name].grad
        assert value.grad is not None and wanted is not None and wanted.abs().max() > 0, name
        error = (value.grad.double() - wanted).norm() / wanted.norm()
        assert error < 1e-5, f"{name}: {error:.1e}"


def moved(kind: TrainableKind, weight: Tensor) -> Factors:
    """Factors that have left their first values, so that no gradient is zero."""
    generator = torch.Generator().manual_seed(1)
    first = kind.begin(tuple(weight.shape), lambda: weight, rank=RANK, generator=generator)
    return {
        part: (value + 0.2 * torch.randn(value.shape, generator=generator)).requires_grad_()
        for part, value in first.items()
    }


def computed(layer: Any, weight: Tensor, x: Tensor) -> Tensor:
    """The layer with another weight, in float64."""
    bias = None if layer.bias is None else layer.bias.double()
    if isinstance(layer, nn.Linear):
        return functional.linear(x, weight, bias)
    convolve = getattr(functional, f"conv{weight.ndim - 2}d")
    return convolve(x, weight, bias, layer.stride, layer.padding, layer.dilation)

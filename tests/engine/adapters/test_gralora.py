"""GraLoRA: what peft computes, on convolutions too, and exactly a plain LoRA in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import load_adapter, save_adapter
from lora_workbench.engine.adapters.inject import Injection
from lora_workbench.engine.adapters.kinds import Gralora, Lora
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.engine.training.recipe import Recipe
from torch import nn

RANK, ALPHA, K = 6, 3.0, 3
X = torch.randn(4, 6, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(6, 12, 3, stride=2, padding=1)
        self.proj = nn.Linear(12, 9, bias=False)
        self.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.proj(self.conv(x).mean((2, 3)))


def trained(net: nn.Module, steps: int = 5, kind: Lora | None = None) -> Injection:
    targets = {"denoiser": ("conv", "proj")}
    injection = Injection(kind or Gralora(K), {"denoiser": net}, targets, rank=RANK, alpha=ALPHA, seed=0)
    optimizer = torch.optim.AdamW(injection.parameters.values(), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        (net(X) - 1).square().mean().backward()
        optimizer.step()
    optimizer.zero_grad()
    return injection


def test_the_model_starts_unchanged_with_as_many_values_as_lora() -> None:
    net = Net()
    before = net(X)
    injection = trained(net, steps=0)
    torch.testing.assert_close(net(X), before, rtol=0, atol=0)
    assert not any(update.changes_anything() for update in injection.result().values())
    plain = trained(Net(), steps=0, kind=Lora())
    assert {name: value.numel() for name, value in injection.parameters.items()} == {
        name: value.numel() for name, value in plain.parameters.items()
    }


def test_outputs_and_gradients_are_those_of_peft() -> None:
    from peft import GraloraConfig, inject_adapter_in_model

    ours, theirs, x = Net(), Net(), torch.randn(5, 12)
    injection = trained(ours)
    config = GraloraConfig(r=RANK, alpha=int(ALPHA), gralora_k=K, target_modules=["proj"])
    layer: Any = inject_adapter_in_model(config, theirs).get_submodule("proj")
    down, up = (injection.parameters[f"denoiser.proj.{part}"] for part in ("down", "up"))
    a, b = layer.gralora_A["default"], layer.gralora_B["default"]
    a.data.copy_(down.detach().reshape(K, RANK, -1).mT)
    b.data.copy_(up.detach().reshape(K, -1, RANK).mT)
    torch.testing.assert_close(ours.proj(x), layer(x))
    for proj in (ours.proj, layer):
        proj(x).square().mean().backward()
    for own, grid in ((down, a), (up, b)):
        torch.testing.assert_close(own.grad, grid.grad.mT.reshape(own.shape))


def test_gradients_are_those_of_the_changed_weights() -> None:
    net = Net()
    injection = trained(net)
    output = net(X)
    output.square().mean().backward()
    injection.remove()
    factors = {name: value.detach().clone().requires_grad_() for name, value in injection.parameters.items()}
    weights = {}
    for layer in ("conv", "proj"):
        own = {part: factors[f"denoiser.{layer}.{part}"] for part in ("down", "up")}
        weights[f"{layer}.weight"] = net.get_submodule(layer).weight + Gralora(K).update(own, ALPHA).delta()
    merged = torch.func.functional_call(net, weights, (X,))
    torch.testing.assert_close(merged, output)
    merged.square().mean().backward()
    for name, factor in factors.items():
        torch.testing.assert_close(factor.grad, injection.parameters[name].grad)


def test_changes_reach_k_times_the_rank() -> None:
    kind, generator = Gralora(2), torch.Generator().manual_seed(0)
    first = kind.begin((32, 24), lambda: torch.empty(0), rank=4, generator=generator)
    delta = kind.update({**first, "up": torch.randn(first["up"].shape, generator=generator)}, 4.0).delta()
    assert torch.linalg.matrix_rank(delta) == 8


@pytest.mark.parametrize("style", ["kohya", "transformer"])
def test_files_are_plain_lora_of_the_same_strength(style, tmp_path: Path) -> None:
    updates = trained(Net()).result()
    adapter = Adapter(name="a", family="x", modules=updates, key_style=style)
    save_adapter(adapter, tmp_path / "a.safetensors", key_style=style, dtype="float32")
    for key, update in load_adapter(tmp_path / "a.safetensors").modules.items():
        assert (update.kind, update.rank) == ("lora", K * RANK)
        weight = torch.empty(update.weight_shape)
        torch.testing.assert_close(update.delta(weight), updates[key].delta(weight))


def test_blocks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AdapterError, match="9 outputs and 12 inputs can't be divided into 2 by 2 blocks"):
        trained(Net(), kind=Gralora(2))
    with pytest.raises(ConfigError, match="gralora_k: got 4 with rank 6, which must be a multiple"):
        Recipe.of(kind="gralora", gralora_k=4, rank_patterns="ff: 6")
    with pytest.raises(ConfigError, match="init: got pissa with kind gralora"):
        Recipe.of(kind="gralora", init="pissa")

"""First values of LoRA: nothing changes at first, and each is what its paper or peft says."""

from __future__ import annotations

import pytest
import torch
from lora_workbench.engine.adapters.inject import Injection
from lora_workbench.engine.adapters.kinds.first_values import FIRST_VALUES
from torch import nn

X = torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(1))
INITS = sorted(FIRST_VALUES)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.Flatten(2), nn.Linear(16, 10)).requires_grad_(
        False
    )


def injection(init: str, model: nn.Module, seed: int = 0) -> Injection:
    targets = {"denoiser": ("0", "2")}
    return Injection(FIRST_VALUES[init](), {"denoiser": model}, targets, rank=4, alpha=2, seed=seed)


def trained(init: str, model: nn.Module) -> Injection:
    made = injection(init, model)
    optimizer = torch.optim.AdamW(made.parameters.values(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        (model(X) - 1).square().mean().backward()
        optimizer.step()
    return made


@pytest.mark.parametrize("init", INITS)
def test_the_model_starts_unchanged(init: str) -> None:
    model = net()
    before = model(X)
    made = injection(init, model)
    torch.testing.assert_close(model(X), before)
    assert not any(update.changes_anything() for update in made.result().values())


@pytest.mark.parametrize("init", INITS)
def test_gradients_and_outputs_are_those_of_the_changed_weight(init: str) -> None:
    model = net()
    made = trained(init, model)
    for parameter in made.parameters.values():
        parameter.grad = None
    output = model(X)
    output.square().mean().backward()
    updates = made.result()
    assert all(update.changes_anything() and update.kind == "lora" for update in updates.values())
    made.remove()
    for key in updates:
        layer = model.get_submodule(key.removeprefix("denoiser."))
        factors = {name.rpartition(".")[2]: p.detach().clone().requires_grad_() for name, p in made.parameters.items()
                   if name.startswith(f"{key}.")}  # fmt: skip
        again = made.kind.update({**factors, **made._fixed[key]}, 2.0)
        delta = again.delta(layer.weight)
        other = {k: u for k, u in updates.items() if k != key}
        weights = {f"{k.removeprefix('denoiser.')}.weight": model.get_submodule(k.removeprefix("denoiser.")).weight
                   + u.delta() for k, u in other.items()}  # fmt: skip
        weights[f"{key.removeprefix('denoiser.')}.weight"] = layer.weight + delta
        merged = torch.func.functional_call(model, weights, (X,))
        torch.testing.assert_close(merged, output)
        merged.square().mean().backward()
        for part, factor in factors.items():
            torch.testing.assert_close(factor.grad, made.parameters[f"{key}.{part}"].grad)


def test_pissa_begins_with_the_principal_part() -> None:
    model = net()
    made = injection("pissa", model)
    up, down = (made.parameters[f"denoiser.2.{part}"] for part in ("up", "down"))
    left, values, right = torch.linalg.svd(model[2].weight)
    principal = left[:, :4] * values[:4] @ right[:4]
    torch.testing.assert_close(up @ down, principal, rtol=1e-4, atol=1e-5)
    assert {update.rank for update in made.result().values()} == {8}


def test_svd_down_begins_with_right_singular_vectors() -> None:
    model = net()
    down = injection("svd_down", model).parameters["denoiser.2.down"]
    right = torch.linalg.svd(model[2].weight).Vh[:4]
    torch.testing.assert_close((down @ right.T).abs(), torch.eye(4), rtol=1e-4, atol=1e-4)


def test_orthogonal_factors_cancel_out() -> None:
    made = injection("orthogonal", net()).parameters
    down, up = made["denoiser.2.down"], made["denoiser.2.up"]
    assert down.norm() > 0.1 and up.norm() > 0.1 and (up @ down).norm() < 1e-6
    assert not torch.equal(down, injection("orthogonal", net(), seed=1).parameters["denoiser.2.down"])


@pytest.mark.parametrize("init", INITS)
def test_first_values_are_the_same_bits_again(init: str) -> None:
    torch.manual_seed(5)
    one = injection(init, net())
    after = torch.rand(1)
    torch.manual_seed(5)
    net_again = net()
    other = injection(init, net_again)
    assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(one.parameters[name], value) for name, value in other.parameters.items())
    assert all(torch.equal(one._fixed[k][p], v) for k, fixed in other._fixed.items() for p, v in fixed.items())

"""What every kind of adapter that can be trained must do."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.files import load_adapter, save_adapter
from lora_workbench.engine.adapters.inject import Injection, injected
from lora_workbench.engine.adapters.kinds import KINDS, Lora, TrainableKind
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from tiny import Parts
from torch import nn

ALPHA, RANK = 3.0, 2
BOTH = ("conv", "proj")


TRAINABLE = [kind for kind in KINDS if isinstance(kind, TrainableKind)]


@pytest.fixture(params=TRAINABLE, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> TrainableKind:
    return request.param


class Net(nn.Module):
    """A linear layer and a convolution with a stride and a padding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(8, 24, 3, stride=2, padding=1)
        self.proj = nn.Linear(24, 18, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.proj(self.conv(x).mean((2, 3)))


X = torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(1))


def inject(
    kind: TrainableKind, net: nn.Module, seed: int = 0, targets: tuple[str, ...] = ("conv", "proj")
) -> Injection:
    return Injection(kind, {"denoiser": net}, {"denoiser": targets}, rank=RANK, alpha=ALPHA, seed=seed)


def trained(kind: TrainableKind, net: nn.Module, steps: int = 20) -> Injection:
    """After a few steps, so that no tensor is where it began."""
    injection = inject(kind, net)
    optimizer = torch.optim.AdamW(injection.parameters.values(), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        (net(X) - 1).square().mean().backward()
        optimizer.step()
    return injection


def frozen() -> Net:
    return Net().requires_grad_(False)


def test_the_model_starts_unchanged_and_is_given_back(kind):
    net = frozen()
    before, names = net(X), [name for name, _ in net.named_modules()]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    injection = trained(kind, net)
    assert [name for name, _ in net.named_modules()] == names
    assert not torch.allclose(net(X), before)
    injection.remove()
    assert torch.equal(net(X), before)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    with injected(kind, {"denoiser": net}, {"denoiser": ("proj",)}, rank=2, alpha=1, seed=0):
        torch.testing.assert_close(net(X), before)


def test_every_trainable_tensor_learns(kind):
    net = frozen()
    first = {name: parameter.detach().clone() for name, parameter in inject(kind, frozen()).parameters.items()}
    injection = trained(kind, net)
    assert first.keys() == injection.parameters.keys()
    parts = {name.rpartition(".")[2] for name in first}
    assert kind.claims(parts) and parts <= kind.suffixes.keys(), "what files hold is what is trained"
    for name, parameter in injection.parameters.items():
        assert parameter.dtype == torch.float32
        assert not torch.equal(parameter, first[name]), name
    assert all(update.changes_anything() for update in injection.result().values())
    assert not any(update.changes_anything() for update in inject(kind, frozen()).result().values())


def test_first_values_follow_from_the_seed_and_the_name(kind):
    one, other = (inject(kind, frozen(), seed).parameters for seed in (0, 1))
    again = inject(kind, frozen()).parameters
    alone = inject(kind, frozen(), targets=("proj",)).parameters
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert all(torch.equal(one[name], alone[name]) for name in alone)
    random = any(value.any() for name, value in one.items() if not name.endswith("magnitude"))
    assert random == any(not torch.equal(one[name], other[name]) for name in one)


def test_training_the_layer_is_changing_its_weight(kind):
    net = frozen()
    injection = trained(kind, net)
    with_adapter, updates = net(X), injection.result()
    injection.remove()
    for key, update in updates.items():
        layer = net.get_submodule(key.removeprefix("denoiser."))
        assert update.fits(layer.weight.shape) and update.rank == RANK
        layer.weight.data += update.delta(layer.weight)
    torch.testing.assert_close(net(X), with_adapter)


def test_values_go_back_into_a_training(kind):
    net, other = frozen(), frozen()
    injection, fresh = trained(kind, net), inject(kind, other, seed=9)
    fresh.load(injection.parameters)
    torch.testing.assert_close(other(X), net(X), rtol=0, atol=0)
    for key, update in injection.result().items():
        weight = net.get_submodule(key.removeprefix("denoiser.")).weight
        for part, value in kind.factors(update.for_others(lambda weight=weight: weight)).items():
            torch.testing.assert_close(value, injection.parameters[f"{key}.{part}"].detach())


@pytest.mark.parametrize("style", ["kohya", "transformer"])
def test_files_bring_the_change_back(kind, style, tmp_path: Path):
    net = frozen()
    injection = trained(kind, net)
    adapter = Adapter(name="a", family="x", modules=injection.result(), key_style=style)
    saved = save_adapter(adapter, tmp_path / "a.safetensors", key_style=style, dtype="float32")
    loaded = load_adapter(tmp_path / "a.safetensors")
    injection.remove()
    assert saved.modules.keys() == adapter.modules.keys()
    for key, update in adapter.modules.items():
        weight = net.get_submodule(key.removeprefix("denoiser.")).weight
        read = loaded.modules[key]
        assert read.kind == kind.name
        torch.testing.assert_close(read.delta(weight), update.delta(weight))


def test_a_stack_applies_it_at_its_weight(kind):
    net = frozen()
    injection = trained(kind, net)
    adapter = Adapter(name="a", family="x", modules=injection.result())
    with_adapter = net(X)
    injection.remove()
    before = net(X)
    with applied(Parts(denoiser=net), Stack((StackEntry(adapter),))):
        torch.testing.assert_close(net(X), with_adapter)
    halves = Stack((StackEntry(adapter, 0.5), StackEntry(adapter, 0.5)))
    expected = copy.deepcopy(net)
    for key, update in 2 * list(adapter.modules.items()):
        weight = expected.get_submodule(key.removeprefix("denoiser.")).weight
        weight.data += 0.5 * update.delta(weight)
    with applied(Parts(denoiser=net), halves):
        torch.testing.assert_close(net(X), expected(X))
        if all(update.additive for update in adapter.modules.values()):
            torch.testing.assert_close(net(X), with_adapter)
    assert torch.equal(net(X), before)


def test_rows_of_a_fused_layer_are_cut_or_refused(kind):
    net = frozen()
    updates = trained(kind, net).result()
    update, weight = updates["denoiser.proj"], Net().proj.weight.detach()
    try:
        parts = [update.rows(rows) for rows in (slice(0, 6), slice(6, 18))]
    except AdapterError:
        return
    whole = torch.cat([part.delta(weight[rows]) for part, rows in zip(parts, (slice(0, 6), slice(6, 18)), strict=True)])
    torch.testing.assert_close(whole, update.delta(weight))


def test_half_precision_activations_leave_float32_parameters(kind):
    net = frozen().to(torch.bfloat16)
    injection = inject(kind, net)
    net(X.to(torch.bfloat16)).float().square().mean().backward()
    assert all(p.dtype == torch.float32 and p.grad is not None for p in injection.parameters.values())


def test_lora_is_what_peft_computes():
    """Same first values, same outputs, same gradients as peft's own layers."""
    from peft import LoraConfig, inject_adapter_in_model

    ours, theirs = frozen(), frozen()
    injection = trained(Lora(), ours, steps=3)
    inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=3, target_modules=["conv", "proj"]), theirs)
    for layer in ("conv", "proj"):
        for part, matrix in (("down", "lora_A"), ("up", "lora_B")):
            weight = getattr(theirs.get_submodule(layer), matrix)["default"].weight
            weight.data.copy_(injection.parameters[f"denoiser.{layer}.{part}"].detach())
    torch.testing.assert_close(ours(X), theirs(X))
    for parameter in injection.parameters.values():
        parameter.grad = None
    for net in (ours, theirs):
        net(X).square().mean().backward()
    for layer in ("conv", "proj"):
        for part, matrix in (("down", "lora_A"), ("up", "lora_B")):
            gradient = getattr(theirs.get_submodule(layer), matrix)["default"].weight.grad
            torch.testing.assert_close(injection.parameters[f"denoiser.{layer}.{part}"].grad, gradient)


def test_dora_in_the_form_of_others_is_what_peft_computes():
    from peft import LoraConfig, inject_adapter_in_model

    ours, theirs = frozen(), frozen()
    injection = trained(KINDS.get("dora"), ours)
    inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=3, target_modules=["conv", "proj"], use_dora=True), theirs)
    for layer in ("conv", "proj"):
        weight, known = Net().get_submodule(layer).weight.detach(), theirs.get_submodule(layer)
        parts = injection.result()[f"denoiser.{layer}"].for_others(lambda w=weight: w).parts(alpha_apart=True)
        known.lora_A["default"].weight.data.copy_(parts["down"])
        known.lora_B["default"].weight.data.copy_(parts["up"])
        magnitude = known.lora_magnitude_vector["default"].weight
        magnitude.data.copy_(parts["magnitude"].reshape(magnitude.shape))
    torch.testing.assert_close(ours(X), theirs(X))

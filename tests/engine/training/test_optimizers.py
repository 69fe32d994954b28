"""Every optimizer learns, resumes to the same bits from random kills, and says what it needs."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
import torch
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.models import registry
from lora_workbench.engine.training.optimizer_settings import parse_optimizer_settings
from lora_workbench.engine.training.optimizers import OPTIMIZERS
from lora_workbench.engine.training.optimizing import Optimization
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.state import TrainingState, restore
from torch import Tensor, nn

OWN = {"adamw_8bit": ("min_8bit_size = 16",)}


class Factors:
    """A matrix that two factors approach, as the trained part of a model."""

    micro_batches = 1
    parts = ("subject",)

    def __init__(self) -> None:
        made = torch.Generator().manual_seed(1)
        self.target = torch.randn(24, 16, generator=made)
        self.parameters = {
            "denoiser.layer.down": nn.Parameter(torch.randn(4, 16, generator=made) / 4),
            "denoiser.layer.up": nn.Parameter(torch.zeros(24, 4)),
        }

    def load(self, values) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(values[name])

    def result(self) -> dict[str, Tensor]:
        return {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        noise = torch.randn(24, 16, generator=torch.Generator().manual_seed(step))
        down, up = self.parameters.values()
        return (up @ down - self.target - noise / 10).square().mean()[None]


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


def recipe(optimizer: str, **settings) -> Recipe:
    rate = 1.0 if optimizer == "prodigy" else 1e-2
    own = {"optimizer_settings": OWN.get(optimizer, ())} | settings
    return Recipe.of(optimizer=optimizer, learning_rate=rate, warmup_steps=3, steps=20, **own)


def begun(base, chosen: Recipe) -> tuple[Factors, Optimization]:
    factors = Factors()
    return factors, Optimization(base, factors, chosen, factors)


def advance(optimization: Optimization, first: int, last: int) -> list[float]:
    losses = []
    for step in range(first, last):
        values = optimization.gradients(step)
        optimization.update(step, values)
        losses.append(values.sum().item())
    return losses


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_each_optimizer_resumes_to_the_same_bits_from_random_kills(base, tmp_path: Path, optimizer: str):
    whole, optimization = begun(base, recipe(optimizer, lora_plus_ratio=4.0))
    losses = advance(optimization, 0, 20)
    assert min(losses[-5:]) < losses[0]
    for kill in random.Random(optimizer).sample(range(1, 20), 10):
        factors, stopped = begun(base, recipe(optimizer, lora_plus_ratio=4.0))
        before = advance(stopped, 0, kill)
        with stopped.shown_weights("files"):
            factors.result()
        TrainingState.capture(kill, before, factors.parameters, stopped.optimizer).save(tmp_path / "state")
        state = TrainingState.load(tmp_path / "state")
        resumed, again = begun(base, recipe(optimizer, lora_plus_ratio=4.0))
        resumed.load(state.values)
        restore(state.optimizer, resumed.parameters, again.optimizer)
        assert before + advance(again, kill, 20) == losses, f"after a kill at step {kill}"
        assert all(torch.equal(value, whole.result()[name]) for name, value in resumed.result().items())


def test_what_schedule_free_shows_is_its_average(base):
    factors, optimization = begun(base, recipe("schedule_free_adamw"))
    advance(optimization, 0, 10)
    trained = factors.result()
    with optimization.shown_weights("files"):
        shown = factors.result()
    assert not torch.equal(shown["denoiser.layer.up"], trained["denoiser.layer.up"])
    assert all(torch.equal(value, trained[name]) for name, value in factors.result().items())
    optimization.show_weights()
    assert all(torch.equal(value, shown[name]) for name, value in factors.result().items())


def test_muon_moves_matrices_and_adamw_the_rest():
    torch.manual_seed(0)
    values = {"matrix": torch.randn(6, 4), "column": torch.randn(6, 1), "vector": torch.randn(5)}
    ours, theirs = ({name: nn.Parameter(value.clone()) for name, value in values.items()} for _ in range(2))
    optimizer = OPTIMIZERS.get("muon")([{"params": [*ours.values()], "lr": 0.1, "peak": 0.1}], weight_decay=0.2)
    others = [theirs["column"], theirs["vector"]]
    apart: list[torch.optim.Optimizer] = [
        torch.optim.Muon([theirs["matrix"]], lr=0.1, weight_decay=0.2, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=0.1, weight_decay=0.2, fused=True),
    ]
    for step in range(4):
        for name, value in values.items():
            ours[name].grad = theirs[name].grad = (value - step) / 3
        optimizer.step()
        for own in apart:
            own.step()
    assert all(torch.equal(ours[name], theirs[name]) and not torch.equal(ours[name], values[name]) for name in values)


def test_muon_is_refused_where_torch_has_none(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ConfigError, match=r"muon needs torch 2\.9 or later, and this is torch") as told:
        OPTIMIZERS.get("muon")([{"params": [nn.Parameter(torch.zeros(2, 2))], "lr": 1.0}], weight_decay=0.0)
    assert "What to do: update torch" in str(told.value)


def test_lora_plus_raises_the_rate_of_b_alone(base):
    factors, optimization = begun(base, recipe("adamw", lora_plus_ratio=16.0))
    rates = {id(p): group["peak"] for group in optimization.optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in factors.parameters.values()] == [1e-2, pytest.approx(0.16)]


def test_own_settings_are_read_by_what_the_optimizer_takes():
    assert parse_optimizer_settings("adamw", ["betas = 0.9, 0.99", "amsgrad = yes"]) == {
        "betas": (0.9, 0.99), "amsgrad": True,
    }  # fmt: skip


def test_wrong_own_settings_are_refused_together():
    with pytest.raises(ConfigError) as told:
        parse_optimizer_settings("adamw", ["beta = 1", "betas = 0.9", "eps", "eps = 1", "eps = 2"])
    for words in ("4 invalid settings", "adamw takes betas, eps, amsgrad", "a value like 0.9, 0.999", "given twice"):
        assert words in str(told.value)


@pytest.mark.parametrize(("optimizer", "library", "extra"), [
    ("adamw_8bit", "bitsandbytes", "quantized"), ("prodigy", "pytorch_optimizer", "optimizers"),
])  # fmt: skip
def test_a_missing_library_names_the_extra(monkeypatch, optimizer: str, library: str, extra: str):
    monkeypatch.setitem(sys.modules, library, None)
    parameter = nn.Parameter(torch.zeros(2))
    with pytest.raises(ConfigError, match=library) as told:
        OPTIMIZERS.get(optimizer)([{"params": [parameter], "lr": 1.0}], weight_decay=0.0)
    assert f"lora-workbench[{extra}]" in str(told.value)

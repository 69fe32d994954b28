"""A training state brings back any optimizer to the bit, and any trainee."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lora_workbench.engine.core.errors import TrainingError
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.core.keys import VERSIONS
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.loop import Trainer
from lora_workbench.engine.training.loss import StepLoss
from lora_workbench.engine.training.optimizers import OPTIMIZERS
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.state import TrainingState, flatten, restore
from lora_workbench.engine.training.training_set import encode
from PIL import Image
from torch import nn

RECIPE = Recipe.of(steps=6, learning_rate=1e-3, rank=2, alpha=2, batch_size=2, warmup_steps=2, save_every=100)


def rmsprop(groups, *, weight_decay):
    return torch.optim.RMSprop(groups, weight_decay=weight_decay, momentum=0.9, centered=True)


def lbfgs(groups, *, weight_decay):
    """Keeps lists of tensors, which no flat state has."""
    return torch.optim.LBFGS(groups[0]["params"], history_size=2)


@pytest.fixture
def optimizer(request: pytest.FixtureRequest) -> Iterator[str]:
    make = request.param
    OPTIMIZERS.register(make.__name__, make)
    try:
        yield make.__name__
    finally:
        OPTIMIZERS.remove(make.__name__)


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


@pytest.fixture(scope="module")
def dataset():
    images = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    return dataset_from_images(images, ["a", "b", "c"], "colors")


def finish(events):
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as stop:
            return stop.value, seen


@pytest.mark.parametrize("optimizer", [rmsprop], indirect=True)
def test_an_optimizer_is_one_registration_and_resumes_to_the_same_bits(base, dataset, tmp_path, optimizer):
    recipe = RECIPE.changed(optimizer=optimizer)

    def train(folder: str):
        return train_adapter(base, dataset, recipe, seed=3, store=RunStore(tmp_path / folder), name="x")

    whole, _ = finish(train("whole"))
    events = train("stopped")
    for event in events:
        if isinstance(event, StepDone) and event.step == 3:
            break
    events.close()
    resumed, _ = finish(train("stopped"))
    assert resumed.resumed_at == 3
    assert resumed.losses == whole.losses
    assert resumed.adapter.content_hash == whole.adapter.content_hash


def test_the_flat_state_has_the_names_of_torch_distributed_checkpoint():
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    net = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    options = StateDictOptions(flatten_optimizer_state_dict=True)
    theirs = get_optimizer_state_dict(net, optimizer, options=options)
    ours = flatten(dict(net.named_parameters()), optimizer)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[k], v) for k, v in theirs.items() if isinstance(v, torch.Tensor))


class Lion(torch.optim.Optimizer):
    """Keeps its momentum in bfloat16, and a count of updates for each value."""

    def __init__(self, groups, *, weight_decay):
        super().__init__(groups, {"lr": 1e-3, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        del closure
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter, dtype=torch.bfloat16)
                    state["updates"] = torch.zeros(parameter.shape, dtype=torch.int64)
                state["momentum"].mul_(0.9).add_(parameter.grad)
                state["updates"] += 2**40 + 1
                parameter.sub_(group["lr"] * state["momentum"].sign())


def test_the_dtypes_of_a_state_are_restored():
    def net() -> tuple[nn.Linear, Lion]:
        made = nn.Linear(3, 2)
        return made, Lion([{"params": made.parameters()}], weight_decay=0.0)

    trained, before = net()
    trained(torch.rand(1, 3)).sum().backward()
    before.step()
    resumed, after = net()
    restore(flatten(dict(trained.named_parameters()), before), dict(resumed.named_parameters()), after)
    for old, new in zip(trained.parameters(), resumed.parameters(), strict=True):
        for key, value in before.state[old].items():
            assert after.state[new][key].dtype == value.dtype
            assert torch.equal(after.state[new][key], value)


@pytest.mark.parametrize("optimizer", [lbfgs], indirect=True)
def test_a_state_that_cannot_be_kept_is_named(optimizer):
    parameter = nn.Parameter(torch.ones(2))
    made = OPTIMIZERS.get(optimizer)([{"params": [parameter]}], weight_decay=0.0)

    def loss():
        made.zero_grad()
        value = (parameter**2).sum()
        value.backward()
        return value

    made.step(loss)
    with pytest.raises(TrainingError, match="The optimizer keeps"):
        flatten({"denoiser.x": parameter}, made)


class WholeDenoiser:
    """All weights of a denoiser as what is trained: no adapter at all."""

    def __init__(self, denoiser: nn.Module) -> None:
        self.parameters = {f"denoiser.{name}": p for name, p in denoiser.requires_grad_(True).named_parameters()}

    def load(self, values):
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(values[name])

    def result(self):
        return {name: parameter.detach().clone() for name, parameter in self.parameters.items()}


def test_the_same_loop_trains_a_whole_denoiser(tiny_sd1: Path, dataset, tmp_path):
    def trainer(folder: str) -> Trainer:
        base = registry.load_base(tiny_sd1, device="cpu")
        store = RunStore(tmp_path / folder)
        subject, _ = finish(encode(base, dataset, 32, store.encoded, embed=True))
        return Trainer(
            backbone=base, trainee=WholeDenoiser(base.denoiser), recipe=RECIPE,
            loss=StepLoss(backbone=base, recipe=RECIPE, subject=subject, prior=None, seed=1),
            state_path=tmp_path / folder / "state.safetensors",
        )  # fmt: skip

    whole = trainer("whole")
    list(whole.run())
    stopped = trainer("stopped")
    events = stopped.run()
    for event in events:
        if isinstance(event, StepDone) and event.step == 2:
            break
    events.close()
    resumed = trainer("stopped")
    list(resumed.run(TrainingState.load(tmp_path / "stopped" / "state.safetensors")))
    assert resumed.losses == whole.losses
    assert all(torch.equal(value, whole.trainee.result()[name]) for name, value in resumed.trainee.result().items())


def test_an_overflow_in_float16_costs_a_step_and_not_the_run(tiny_sd1: Path, dataset, tmp_path, monkeypatch):
    """The scale begins far too high for the gradients; it comes down, and is part of the state."""
    scalers = []

    class HighScaler(torch.amp.GradScaler):
        def __init__(self, device, enabled):
            super().__init__(device, init_scale=2.0**24, enabled=enabled)
            scalers.append(self)

    monkeypatch.setattr(torch.amp, "GradScaler", HighScaler)
    base = registry.load_base(tiny_sd1, device="cpu", precision="fp16")
    recipe = RECIPE.changed(steps=16, warmup_steps=0)
    trained, seen = finish(train_adapter(base, dataset, recipe, seed=3, store=RunStore(tmp_path), name="x"))
    assert len(trained.losses) == 16
    assert scalers[0].get_scale() < 2.0**24
    told = [event.text for event in seen if hasattr(event, "text")]
    assert any("overflowed float16" in text for text in told)
    [state] = (tmp_path / "runs").rglob("*.state.safetensors")
    assert TrainingState.load(state).scaler["scale"] == scalers[0].get_scale()


def test_snapshots_are_kept_at_their_steps(base, dataset, tmp_path):
    store = RunStore(tmp_path)
    recipe = RECIPE.changed(snapshot_steps=(2, 5))
    finish(train_adapter(base, dataset, recipe, seed=3, store=store, name="x"))
    kept = sorted(path.name for path in (tmp_path / "runs").rglob("snapshots/*"))
    assert kept == ["000002-of-000006.safetensors", "000005-of-000006.safetensors"]
    shorter, _ = finish(
        train_adapter(base, dataset, RECIPE.changed(steps=2), seed=3, store=RunStore(tmp_path / "o"), name="x")
    )
    from lora_workbench.engine.adapters.files import load_adapter

    snapshot = load_adapter(next((tmp_path / "runs").rglob("snapshots/000002-of-*.safetensors")))
    assert snapshot.content_hash == shorter.adapter.content_hash
    assert json.loads(snapshot.metadata["lw.recipe"])["snapshot_steps"] == [2, 5]
    assert VERSIONS["run"] >= 1

"""Training, stacking and generating on a CUDA device give what they give on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.events import MemoryTaken, StepDone
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from tiny import TINY

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

RECIPE = Recipe.of(steps=12, rank=4, alpha=4, batch_size=2, learning_rate=3e-3, save_every=5, schedule="cosine")


@pytest.fixture(scope="module", params=sorted(TINY))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TINY[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture
def dataset():
    pictures = [Image.effect_mandelbrot((32, 32), (-2, -1.5, 1, 1.5), 9 + i).convert("RGB") for i in range(4)]
    return dataset_from_images(pictures, ["a zwx thing"] * 4, "four")


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


def train(folder: Path, dataset, store: Path, device: str, recipe: Recipe = RECIPE, precision: str = "fp32"):
    base = load_base(folder, device=device, precision=precision)
    return base, train_adapter(base, dataset, recipe, seed=3, store=RunStore(store), name="thing")


def trained(*args, **kwargs) -> TrainedAdapter:
    return finish(train(*args, **kwargs)[1])


def test_losses_are_those_of_the_cpu(folder: Path, dataset, tmp_path: Path):
    ours, cpu = (trained(folder, dataset, tmp_path / device, device).losses for device in ("cuda", "cpu"))
    assert len(set(cpu)) == RECIPE.schedule.steps
    torch.testing.assert_close(torch.tensor(ours), torch.tensor(cpu), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_like_float32(folder: Path, dataset, tmp_path: Path, precision: str):
    half = trained(folder, dataset, tmp_path / "half", "cuda", precision=precision).losses
    single = trained(folder, dataset, tmp_path / "single", "cuda").losses
    torch.testing.assert_close(torch.tensor(half), torch.tensor(single), rtol=0.05, atol=0.02)


@pytest.mark.parametrize("precision", ["fp8", "int8", "nf4"])
def test_quantized_weights_learn_like_float32(folder: Path, dataset, tmp_path: Path, precision: str):
    packed = trained(folder, dataset, tmp_path / "packed", "cuda", precision=precision).losses
    single = trained(folder, dataset, tmp_path / "single", "cuda").losses
    torch.testing.assert_close(torch.tensor(packed), torch.tensor(single), rtol=0.1, atol=0.02)


def test_a_text_encoder_trains_there_too(folder: Path, dataset, tmp_path: Path):
    recipe = RECIPE.changed(train_text_encoder=True)
    adapter = trained(folder, dataset, tmp_path, "cuda", recipe).adapter
    assert {key.split(".")[0] for key in adapter.modules} > {"denoiser"}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_stopped_run_goes_on_where_it_stopped(folder: Path, dataset, tmp_path: Path, precision: str):
    _, events = train(folder, dataset, tmp_path / "stopped", "cuda", precision=precision)
    for event in events:
        if isinstance(event, StepDone) and event.step == 7:
            break
    events.close()
    resumed = trained(folder, dataset, tmp_path / "stopped", "cuda", precision=precision)
    whole = trained(folder, dataset, tmp_path / "whole", "cuda", precision=precision)
    assert resumed.resumed_at == 7
    torch.testing.assert_close(torch.tensor(resumed.losses), torch.tensor(whole.losses), rtol=1e-3, atol=1e-4)


def test_pictures_are_those_of_the_cpu_and_a_stack_leaves_no_trace(folder: Path, dataset, tmp_path: Path):
    adapter = trained(folder, dataset, tmp_path, "cpu").adapter
    stack = Stack((StackEntry(adapter, 0.8),))
    request = GenerationRequest(prompts=("a zwx thing",), seeds=(1, 2), steps=4, guidance=4.0, width=32, height=32)
    made = {}
    for device in ("cpu", "cuda"):
        base = load_base(folder, device=device, precision="fp32")
        before = {name: tensor.clone() for name, tensor in base.denoiser.state_dict().items()}
        made[device] = np.stack([np.asarray(one.image, int) for one in finish(generate(base, request, stack))])
        assert all(torch.equal(tensor, before[name]) for name, tensor in base.denoiser.state_dict().items())
    assert abs(made["cpu"] - made["cuda"]).max() <= 3


def test_training_gives_its_memory_back(folder: Path, dataset, tmp_path: Path):
    finish(train(folder, dataset, tmp_path / "first", "cuda")[1])  # torch's libraries keep what they took first
    base, events = train(folder, dataset, tmp_path / "second", "cuda")
    base.release_encoders()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    finish(events)
    base.release_encoders()
    assert torch.cuda.memory_allocated() - before < 2**20


def test_the_memory_of_its_steps_is_told_beside_the_plan(folder: Path, dataset, tmp_path: Path):
    _, events = train(folder, dataset, tmp_path, "cuda", RECIPE.changed(checkpointing="none"))
    taken = [event for event in events if isinstance(event, MemoryTaken)]
    assert taken and taken[-1].bytes > 0 and taken[-1].planned


def test_nothing_waits_for_the_gpu_but_the_loss(folder: Path, dataset, tmp_path: Path):
    """A step synchronizes where it reads its loss and where it clips gradients, not once for every tensor."""
    _, events = train(folder, dataset, tmp_path, "cuda")
    for event in events:
        if isinstance(event, StepDone):
            break
    with torch.profiler.profile(activities=list(torch.profiler.supported_activities())) as profile:
        next(events)
    events.close()
    waits = sum(e.count for e in profile.key_averages() if "StreamSynchronize" in e.key or "DeviceSynchronize" in e.key)
    assert waits <= 12

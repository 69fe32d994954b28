"""Every family of base models trains on one picture, and its adapter works in diffusers' own pipeline.

On a tiny model of each with random weights, with adapters in all layers.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers_pipelines import pipeline_of
from generators import killed_at, result, state_saved
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.files import read_file
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.events import Event
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import FAMILIES, registry
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.loss import denoising_loss
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from tiny import TINY

STEPS, KILLED_AT = 8, 6
RECIPE = Recipe.of(
    steps=STEPS, learning_rate=2e-2, rank=4, alpha=4, batch_size=2, schedule="constant", warmup_steps=0,
    targets="all_layers", save_every=KILLED_AT,
)  # fmt: skip
CAPTION = "a photo of a fox"
ARCHITECTURES = {
    "sd1": "stable-diffusion-v1", "sdxl": "stable-diffusion-xl-v1-base", "ip2p": "stable-diffusion-v1",
    "flux1": "flux-1-dev", "flux1-kontext": "flux-1-dev", "flux2": "Flux.2-klein-4b",
    "flux3": "flux-3-image", "flux3-distilled": "flux-3-image",
    "z-image": "Z-Image", "qwen-image": "Qwen-Image", "krea2": "Krea-2", "qwen-image-2.1": "Qwen-Image-2.1",
    "anima": "anima-preview",
    "qwen-image-edit": "Qwen-Image-Edit", "qwen-image-edit-plus": "Qwen-Image-Edit-Plus",
}  # fmt: skip
"""Family -> its name in ``modelspec.architecture``, as kohya's trainers write it."""


@pytest.fixture(scope="module", params=FAMILIES.names())
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TINY[family](tmp_path_factory.mktemp(family))


@pytest.fixture(scope="module")
def base(folder: Path) -> Backbone:
    return registry.load_base(folder, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    picture = Image.new("RGB", (32, 32), (200, 60, 30))
    picture.paste((30, 90, 200), (8, 8, 20, 24))
    return dataset_from_images([picture], [CAPTION], "one")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, family: str) -> Path:
    return tmp_path_factory.mktemp(f"store of {family}")


@pytest.fixture(scope="module")
def trained(base: Backbone, dataset: Dataset, store: Path) -> TrainedAdapter:
    """A run whose store was copied when it had saved its state on the way."""
    return killed_at(run(base, dataset, store), state_saved(KILLED_AT), store, store / "killed")


def run(base: Backbone, dataset: Dataset, store: Path) -> Generator[Event, None, TrainedAdapter]:
    return train_adapter(base, dataset, RECIPE, seed=7, store=RunStore(store), name="fox")


def test_the_loss_falls(base: Backbone, dataset: Dataset, trained: TrainedAdapter):
    """As the mean over 16 noise levels with a noise each."""
    pixels = torch.from_numpy(np.array(dataset.records[0].load())).permute(2, 0, 1)[None] / 127.5 - 1
    latents = base.encode_images(pixels).expand(16, -1, -1, -1)
    conditioning = Conditioning.join([base.encode_prompts([CAPTION])] * 16)

    def loss() -> float:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(1)
            return denoising_loss(base, latents, conditioning, RECIPE, generator).mean().item()

    before = loss()
    with applied(base, Stack((StackEntry(trained.adapter),))):
        after = loss()
    assert len(trained.losses) == STEPS
    assert after < 0.95 * before


def test_a_killed_run_goes_on_to_the_same_bits(base: Backbone, dataset: Dataset, trained: TrainedAdapter, store: Path):
    resumed = result(run(base, dataset, store / "killed"))
    assert resumed.resumed_at == KILLED_AT
    assert resumed.losses == trained.losses
    found, expected = (read_file(made.adapter.path)[0] for made in (resumed, trained))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_its_file_says_what_it_is_for(base: Backbone, family: str, trained: TrainedAdapter):
    metadata = trained.adapter.metadata
    assert metadata["modelspec.architecture"] == ARCHITECTURES[family] + "/lora"
    assert metadata["modelspec.resolution"] == "32x32"
    assert metadata["lw.family"] == base.info.family
    assert metadata["lw.base_hash"] == base.info.content_hash
    assert metadata["lw.prediction_type"] == base.info.prediction_type
    assert json.loads(metadata["lw.recipe"])["rank"] == 4
    names = read_file(trained.adapter.path)[0]
    assert any(name.endswith(".alpha") for name in names) == (base.info.key_style == "kohya")


def test_diffusers_loads_every_key_and_predicts_the_same(
    base: Backbone, family: str, folder: Path, trained: TrainedAdapter
):
    """In the family's pipeline, given what our backbone gives its denoiser."""
    from peft.tuners.lora import LoraLayer

    calls = []
    watching = base.denoiser.register_forward_hook(
        lambda _, arguments, named, output: calls.append((arguments, named, output)), with_kwargs=True
    )
    side = base.info.resolution // base.info.latent_factor
    noise = torch.randn(2, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    levels = base.timesteps(torch.tensor([0.3, 0.9]))
    with watching, torch.no_grad():
        conditioning = base.encode_prompts([CAPTION, "a drawing of a red bus"])
        plain = base.predict(noise, levels.t, conditioning)
        with applied(base, Stack((StackEntry(trained.adapter),))):
            adapted = base.predict(noise, levels.t, conditioning)
    assert (adapted - plain).abs().max() > 0.05

    pipeline = pipeline_of(folder, family)
    path = trained.adapter.path
    pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
    denoiser = getattr(pipeline, "transformer", None) or pipeline.unet
    adapted = filter(None, (denoiser, getattr(pipeline, "text_conditioner", None)))
    layers = [layer for module in adapted for layer in module.modules() if isinstance(layer, LoraLayer)]
    assert len(layers) == len(trained.adapter.modules)
    arguments, named, expected = calls[-1]
    with torch.no_grad():
        torch.testing.assert_close(denoiser(*arguments, **named), expected, rtol=1e-4, atol=1e-4)

"""What comes back in each provider's names does the same here and in diffusers, at the same strength."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers_pipelines import lora_layers, pipeline_of, random_adapter
from hosted_orders import Ordering
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.files import file_tensors, load_adapter
from lora_workbench.engine.adapters.keeping import keep
from lora_workbench.engine.adapters.renaming import renamed
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from safetensors.torch import save
from tiny import save_tiny_flux1, save_tiny_sdxl

MAKERS: dict[str, Callable[[Path], Path]] = {"flux1": save_tiny_flux1, "sdxl": save_tiny_sdxl}


def as_peft(adapter: Adapter) -> dict[str, Any]:
    """With the names of diffusers and peft, and the strength in the factors."""
    return file_tensors(renamed(adapter, "diffusers"), dtype="float32")


def as_wrapped_peft(adapter: Adapter) -> dict[str, Any]:
    """The same, as a module of peft has them."""
    tensors = as_peft(adapter)
    return {f"base_model.model.{name}".replace(".weight", ".default.weight"): value for name, value in tensors.items()}


def as_kohya(adapter: Adapter) -> dict[str, Any]:
    """With kohya's names, and an alpha that isn't the rank."""
    return file_tensors(renamed(adapter, "kohya"), dtype="float32")


CASES = {
    "replicate, FLUX.1 by ai-toolkit": ("replicate", "flux1", "", as_peft),
    "fal, FLUX.1 by its fast trainer": ("fal", "flux1", "", as_peft),
    "fal, FLUX.1 as a module of peft": ("fal", "flux1", "fal-ai/turbo-flux-trainer", as_wrapped_peft),
    "civitai, SDXL by ai-toolkit": ("civitai", "sdxl", "", as_kohya),
    "civitai, SDXL with names of diffusers": ("civitai", "sdxl", "", as_peft),
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Backbone]]:
    found = {}
    for family, make in MAKERS.items():
        folder = make(tmp_path_factory.mktemp(family) / "base")
        found[family] = (folder, registry.load_base(folder, device="cpu", precision="fp32"))
    return found


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[Any]:
    return CASES[request.param]


def predicted(base: Backbone, adapter: Adapter | None, calls: list[Any] | None = None) -> torch.Tensor:
    """A prediction of the denoiser with the adapter, on fixed noise; what it was called with goes into ``calls``."""
    side = base.info.resolution // base.info.latent_factor
    noise = torch.randn(1, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    levels = base.timesteps(torch.tensor([0.5]))
    hook = base.denoiser.register_forward_hook(
        lambda _, arguments, named, output: None if calls is None else calls.append((arguments, named, output)),
        with_kwargs=True,
    )
    with hook, torch.no_grad():
        conditioning = base.encode_prompts(["a photo of a fox"])
        with applied(base, Stack((StackEntry(adapter),) if adapter else ())):
            return base.predict(noise, levels.t, conditioning)


def test_it_does_what_it_did_there(case, bases, open_standin, pictures, store, tmp_path: Path):
    provider, family, trainer, names = case
    folder, base = bases[family]
    trained_there = random_adapter(base, tmp_path / "there.safetensors")
    open_standin(provider, save({name: tensor.contiguous() for name, tensor in names(trained_there).items()}))
    trained = Ordering(provider, pictures, store)(base=base, trainer=trainer)

    adapter = trained.adapter
    assert adapter.bound and adapter.modules.keys() == trained_there.modules.keys()
    assert adapter.key_style == base.info.key_style
    plain, expected, calls = predicted(base, None), predicted(base, trained_there), []
    assert (expected - plain).abs().max() > 0.02
    torch.testing.assert_close(predicted(base, adapter, calls), expected, rtol=1e-4, atol=1e-4)

    kept = keep(adapter, tmp_path / "fox", dtype="float32").path
    assert load_adapter(kept).trigger == "zwx fox"
    pipeline = pipeline_of(folder, family)
    pipeline.load_lora_weights(str(kept.parent), weight_name=kept.name)
    denoiser = getattr(pipeline, "transformer", None) or pipeline.unet
    assert lora_layers(denoiser) == len(adapter.modules), "no name is left over"
    arguments, named, output = calls[-1]
    with torch.no_grad():
        torch.testing.assert_close(denoiser(*arguments, **named), output, rtol=1e-4, atol=1e-4)


def test_without_a_base_model_it_binds_later(bases, open_standin, pictures, store, tmp_path: Path):
    _, base = bases["sdxl"]
    trained_there = random_adapter(base, tmp_path / "there.safetensors")
    open_standin("civitai", save(as_kohya(trained_there)))
    train = Ordering("civitai", pictures, store)
    loose = train()
    assert not loose.adapter.bound
    again = train(base=base)
    assert again.cached and again.adapter.bound, "one training serves both"
    for adapter in (loose.adapter, again.adapter):
        bound = adapter if adapter.bound else replace(adapter)
        assert bound.content_hash == trained_there.content_hash


def test_a_base_model_of_another_family_is_refused_before_it_costs(bases, open_standin, pictures, store):
    standin = open_standin("civitai")
    with pytest.raises(AdapterError, match="Nothing was started"):
        Ordering("civitai", pictures, store)(base=bases["flux1"][1])
    assert not standin.requests

"""What comes back in each provider's names does the same here and in diffusers, at the same strength."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from diffusers_pipelines import pipeline_of
from hosted_orders import Ordering
from kind_samples import SAMPLES, Values
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.adapters.keeping import keep
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from safetensors.torch import save
from tiny import save_tiny_flux1, save_tiny_sdxl
from torch import Tensor

MAKERS: dict[str, Callable[[Path], Path]] = {"flux1": save_tiny_flux1, "sdxl": save_tiny_sdxl}
RANK, ALPHA = 2, 3.0
LAYERS = re.compile(r"\.(to_[qkv]|to_out\.0|(q|k|v|out)_proj|fc[12])$")


class Base:
    """A tiny base model, here and as diffusers' pipeline."""

    def __init__(self, family: str, folder: Path) -> None:
        self.family, self.folder = family, MAKERS[family](folder)
        self.backbone: Backbone = registry.load_base(self.folder, device="cpu", precision="fp32")

        self.pipeline: Any = pipeline_of(self.folder, family)
        self.parts = ("transformer",) if family == "flux1" else ("unet", "text_encoder", "text_encoder_2")
        self.layers = {
            (part, _in_files(path)): (module.out_features, module.in_features)
            for part in self.parts
            for path, module in getattr(self.pipeline, part).named_modules()
            if isinstance(module, torch.nn.Linear) and LAYERS.search(path)
        }
        """Part of the pipeline and path in it -> rows and columns, as long as no adapter is loaded."""

    @property
    def denoiser(self) -> Any:
        return getattr(self.pipeline, self.parts[0])


def _in_files(path: str) -> str:
    """Files have a level that newer text encoders have not."""
    return re.sub(r"^encoder\.", "text_model.encoder.", path)


class Sent(NamedTuple):
    """A file of a provider, made without any code of ours."""

    file: bytes
    added: dict[str, Tensor]
    """Part and path of a layer -> alpha / rank * B A."""


def factors(base: Base) -> Iterator[tuple[str, str, Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    for (part, path), (rows, columns) in base.layers.items():
        up, down = torch.randn(rows, RANK, generator=generator), torch.randn(RANK, columns, generator=generator)
        yield part, path, 0.1 * up, down


def as_peft(base: Base, begin: str = "", end: str = "", header: dict[str, Any] | None = None) -> Sent:
    """With the names of diffusers and peft: all strength in the factors, unless a header has more of it."""
    tensors, added = {}, {}
    for part, path, up, down in factors(base):
        tensors[f"{begin}{part}.{path}.lora_A{end}.weight"], tensors[f"{begin}{part}.{path}.lora_B{end}.weight"] = (
            down,
            up,
        )
        added[f"{part}.{path}"] = up @ down * (ALPHA / RANK if header else 1)
    return Sent(save(tensors, metadata={"lora_adapter_metadata": json.dumps(header)} if header else None), added)


def as_wrapped_peft(base: Base) -> Sent:
    """The same, as a module of peft has them."""
    return as_peft(base, "base_model.model.", ".default")


def with_a_header(base: Base) -> Sent:
    """With diffusers' header, which says alpha and rank."""
    return as_peft(base, header={"transformer.r": RANK, "transformer.lora_alpha": ALPHA})


def as_kohya(base: Base) -> Sent:
    """With kohya's names, an alpha that isn't the rank, and both text encoders."""
    tensors, added = {}, {}
    begins = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
    for part, path, up, down in factors(base):
        stem = begins[part] + path.replace(".", "_")
        tensors |= {
            f"{stem}.lora_up.weight": up,
            f"{stem}.lora_down.weight": down,
            f"{stem}.alpha": torch.tensor(ALPHA),
        }
        added[f"{part}.{path}"] = up @ down * ALPHA / RANK
    return Sent(save(tensors), added)


CASES = {
    "replicate, FLUX.1 by ai-toolkit": ("replicate", "flux1", "", as_peft),
    "fal, FLUX.1 by its fast trainer, with a header": ("fal", "flux1", "", with_a_header),
    "fal, FLUX.1 as a module of peft": ("fal", "flux1", "fal-ai/turbo-flux-trainer", as_wrapped_peft),
    "civitai, SDXL by ai-toolkit": ("civitai", "sdxl", "", as_kohya),
    "civitai, SDXL with names of diffusers": ("civitai", "sdxl", "", as_peft),
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Base]:
    return {family: Base(family, tmp_path_factory.mktemp(family) / "base") for family in MAKERS}


def predicted(base: Backbone, adapter: Adapter | None, calls: list[Any] | None = None) -> Tensor:
    """A prediction of the denoiser with the adapter, on fixed noise; what it was called with goes into ``calls``."""
    side = base.info.resolution // base.info.latent_factor
    noise = torch.randn(1, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    levels = base.timesteps(torch.tensor([0.5]))
    hook = base.denoiser.register_forward_hook(
        lambda _, arguments, named, output: None if calls is None else calls.append((arguments, named, output)),
        with_kwargs=True,
    )
    with hook, torch.no_grad(), applied(base, Stack((StackEntry(adapter),) if adapter else ())):
        return base.predict(noise, levels.t, base.encode_prompts(["a photo of a fox"]))


def added_by(base: Base, file: Path) -> dict[str, Tensor]:
    """What a file adds to the layers of diffusers' pipeline, which keeps it."""
    from peft.tuners.lora import LoraLayer

    base.pipeline.unload_lora_weights()
    base.pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
    found = {}
    for part in base.parts:
        for path, module in getattr(base.pipeline, part).named_modules():
            if isinstance(module, LoraLayer):
                (name,) = module.active_adapters
                found[f"{part}.{_in_files(path)}"] = module.get_delta_weight(name).detach()
    return found


@pytest.mark.parametrize("case", CASES)
def test_it_does_what_it_did_there(case: str, bases, open_standin, pictures, store, tmp_path: Path):
    provider, family, trainer, made = CASES[case]
    base = bases[family]
    there = made(base)
    open_standin(provider, there.file)
    adapter = Ordering(provider, pictures, store)(base=base.backbone, trainer=trainer).adapter
    assert adapter.bound and len(adapter.modules) == len(there.added) > 4
    assert adapter.key_style == base.backbone.info.key_style

    kept = keep(adapter, tmp_path / "fox", dtype="float32").path
    assert load_adapter(kept).trigger == "zwx fox"
    added = added_by(base, kept)
    assert added.keys() == there.added.keys(), "no name is left over"
    for name, expected in there.added.items():
        torch.testing.assert_close(added[name], expected, rtol=1e-5, atol=1e-6)

    calls: list[Any] = []
    changed = predicted(base.backbone, adapter, calls)
    assert (changed - predicted(base.backbone, None)).abs().max() > 0.02
    arguments, named, output = calls[-1]
    with torch.no_grad():
        torch.testing.assert_close(base.denoiser(*arguments, **named), output, rtol=1e-4, atol=1e-4)


def test_without_a_base_model_it_binds_later(bases, open_standin, pictures, store):
    base = bases["sdxl"]
    open_standin("civitai", as_kohya(base).file)
    train = Ordering("civitai", pictures, store)
    loose = train()
    assert not loose.adapter.bound
    again = train(base=base.backbone)
    assert again.cached and again.adapter.bound, "one training serves both"
    assert again.adapter.content_hash == loose.adapter.content_hash
    assert (predicted(base.backbone, again.adapter) - predicted(base.backbone, None)).abs().max() > 0.02


def test_a_base_model_of_another_family_is_refused_before_it_costs(bases, open_standin, pictures, store):
    standin = open_standin("civitai")
    with pytest.raises(AdapterError, match="Nothing was started"):
        Ordering("civitai", pictures, store)(base=bases["flux1"].backbone)
    assert not standin.requests


def test_any_kind_of_adapter_is_taken(open_standin, pictures, store):
    """Trainers elsewhere have more kinds than ours."""
    standin = open_standin("civitai", polls=1)
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    for number, (name, sample) in enumerate(SAMPLES.items()):
        standin.adapter = save({f"{stem}.{part}": tensor for part, tensor in sample(Values(), 8, 8).items()})
        adapter = Ordering("civitai", pictures, store)(steps=100 + number).adapter
        assert len(adapter.modules) == 1, name
        told = load_adapter(adapter.path).metadata
        assert (told["ss_steps"], told["lw.family"]) == (str(100 + number), "sdxl"), name


def test_a_trained_word_alone_is_no_adapter(open_standin, pictures, store):
    open_standin("fal", save({"emb_params": torch.ones(1, 768)}))
    with pytest.raises(AdapterError):
        Ordering("fal", pictures, store)()

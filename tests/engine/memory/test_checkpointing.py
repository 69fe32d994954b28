"""Gradient checkpointing changes no bit, and leaves the model as it was; on a tiny model of every family."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

import pytest
import torch
from lora_workbench.engine.adapters.inject import Injection, injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.memory.checkpointing import checkpointed
from lora_workbench.engine.memory.counting import Tally, counted
from lora_workbench.engine.models import FAMILIES, registry
from lora_workbench.engine.models.contract import Backbone
from tiny import TINY, VARIANTS
from torch import Tensor, nn


@pytest.fixture(scope="module", params=FAMILIES.names())
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder: Path = TINY[request.param](tmp_path_factory.mktemp(request.param))
    return registry.load_base(folder, device="cpu", precision="fp32")


def error_of(base: Backbone, *prompts: str, side: int | None = None) -> Callable[[], Tensor]:
    """A loss, as a function that can be computed again; of latents with this side."""
    side = side or base.info.resolution // base.info.latent_factor
    noise = torch.randn(2, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    conditioning = base.encode_prompts(prompts or ["a photo of a fox", "a bus"])
    t = base.timesteps(torch.tensor([0.3, 0.9])).t
    return lambda: base.predict(noise, t, conditioning).square().mean()


@contextmanager
def adapted(base: Backbone, preset: str = "all_layers") -> Iterator[Injection]:
    """With an adapter that has no effect yet."""
    targets = {"denoiser": base.info.target_presets[preset]}
    with injected(TRAINED.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=2, seed=0) as injection:
        yield injection


def gradients(base: Backbone, blocks: Iterable[nn.Module], side: int | None = None) -> dict[str, Tensor]:
    """Of an adapter in all layers, after one backward pass."""
    with adapted(base) as injection:
        for name, parameter in injection.parameters.items():
            if name.endswith(".up"):
                parameter.data.normal_(generator=torch.Generator().manual_seed(len(name)))
        with checkpointed(blocks), base.gradients():
            error_of(base, side=side)().backward()
        return {name: p.grad for name, p in injection.parameters.items() if p.grad is not None}


def test_gradients_have_the_same_bits(base: Backbone):
    blocks = blocks_of(base.denoiser)
    plain, less = gradients(base, ()), gradients(base, blocks.values())
    assert plain.keys() == less.keys()
    assert all(torch.equal(less[name], gradient) for name, gradient in plain.items())
    assert not any("forward" in vars(module) for module in base.denoiser.modules())


@pytest.mark.parametrize("family", ["sd1", "flux2", "z-image"])
def test_gradients_have_the_same_bits_where_torchs_operations_are_replaced(family: str, tmp_path: Path):
    """Attention over so many pixels in bf16 isn't torch's; nor is it when a block is computed again."""
    base = registry.load_base(TINY[family](tmp_path / family), device="cpu", precision="bf16")
    blocks = blocks_of(base.denoiser)
    plain, less = gradients(base, (), side=32), gradients(base, blocks.values(), side=32)
    assert all(torch.equal(less[name], gradient) for name, gradient in plain.items())


@dataclass(eq=False)
class Saved:
    """What autograd holds in place of a tensor."""

    tensor: Tensor


def kept(error: Callable[[], Tensor]) -> int:
    """Bytes that a forward pass keeps for its backward pass. What two passes share was there before, as weights are."""
    passes = [WeakSet[Saved](), WeakSet[Saved]()]
    losses = []
    for saved in passes:

        def keep(tensor: Tensor, saved: WeakSet[Saved] = saved) -> Saved:
            saved.add(own := Saved(tensor.detach()))
            return own

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda own: own.tensor):
            losses.append(error())
    before, sizes = ({(s := own.tensor.untyped_storage())._cdata: s.nbytes() for own in saved} for saved in passes)
    return sum(sizes[address] for address in sizes.keys() - before.keys())


def test_most_of_what_is_kept_is_in_blocks(base: Backbone):
    """Blocks are found wherever a family has them."""
    error = error_of(base)
    with adapted(base):
        whole = kept(error)
        with checkpointed(blocks_of(base.denoiser).values()):
            outside = kept(error)
    assert outside < 0.25 * whole


@pytest.mark.parametrize("base", [name for name in FAMILIES.names() if name not in VARIANTS], indirect=True)
def test_what_is_kept_is_counted(base: Backbone):
    """Every architecture can be counted, with its backward pass; all but tables of complex numbers."""
    error, alive = error_of(base, "a bus", "a bus"), list[int]()

    def step(tally: Tally) -> None:
        loss = error()
        alive.append(tally.alive)
        loss.backward()

    with adapted(base):
        whole, peak = kept(error), counted(step).peak
    assert alive == [pytest.approx(whole, rel=0.02)]
    assert alive[0] < peak < 2 * alive[0]


def test_every_attention_layer_is_in_a_block(base: Backbone):
    with adapted(base, "attention") as injection:
        layers = {name.removeprefix("denoiser.") for name in injection.parameters}
    blocks = tuple(f"{path}." for path in blocks_of(base.denoiser))
    assert not [layer for layer in layers if not layer.startswith(blocks)]

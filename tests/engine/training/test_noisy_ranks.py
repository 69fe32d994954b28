"""Fewer ranks at noisier levels: which are on, for each sample, also where a block is computed again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.adapters.kinds.lora import product
from lora_workbench.engine.core.errors import ConfigError, TrainingError
from lora_workbench.engine.diffusion.noisy_ranks import only_ranks, ranks_now, ranks_on
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.memory.checkpointing import checkpointed
from lora_workbench.engine.models import FAMILIES, registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.training.noisy_ranks import with_noisy_ranks
from lora_workbench.engine.training.recipe import Recipe
from tiny import TINY
from torch import Tensor, nn

SETTINGS = Recipe.of(rank=4, noisy_rank=1).adapter
LEVELS = (0.05, 0.9)
OF_OTHER_ROWS: frozenset[str] = frozenset({"krea2"})
"""Families with layers whose first dimension is that of all the tokens of a batch."""


@pytest.fixture(scope="module", params=FAMILIES.names())
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder: Path = TINY[request.param](tmp_path_factory.mktemp(request.param))
    return registry.load_base(folder, device="cpu", precision="fp32")


def gradients(base: Backbone, samples: Iterable[int], blocks: Iterable[nn.Module] = ()) -> dict[str, Tensor]:
    """Of an adapter in all layers, after a pass with these of two samples, which have other levels and prompts."""
    side, chosen = base.info.resolution // base.info.latent_factor, list(samples)
    noise = torch.randn(2, base.info.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    prompts = ["a photo of a fox", "a bus"]
    targets = {"denoiser": base.info.target_presets["all_layers"]}
    with injected(TRAINED.get("lora"), {"denoiser": base.denoiser}, targets, rank=4, alpha=4, seed=0) as injection:
        for name, parameter in injection.parameters.items():
            if name.endswith(".up"):
                parameter.data.normal_(std=0.1, generator=torch.Generator().manual_seed(len(name)))
        ranked = with_noisy_ranks(base, SETTINGS)
        t = ranked.timesteps(torch.tensor([LEVELS[i] for i in chosen])).t
        with checkpointed(blocks), base.gradients():
            found = ranked.predict(noise[chosen], t, ranked.encode_prompts([prompts[i] for i in chosen]))
            assert ranks_now() is None
            found.square().mean(dim=(1, 2, 3)).sum().backward()
        return {name: p.grad for name, p in injection.parameters.items() if p.grad is not None}


def test_samples_have_the_ranks_of_their_own_levels_or_are_refused(base: Backbone) -> None:
    first, second = gradients(base, [0]), gradients(base, [1])
    downs = [name for name in second if name.endswith(".down") and second[name].any()]
    assert downs and all(not second[name][1:].any() for name in downs), "one rank near pure noise"
    assert any(first[name][1:3].any() for name in downs)
    if base.info.traits.name in OF_OTHER_ROWS:
        with pytest.raises(TrainingError, match="batch_size = 1"):
            gradients(base, [0, 1])
        return
    both = gradients(base, [0, 1])
    for name, gradient in both.items():
        zero = torch.zeros_like(gradient)
        torch.testing.assert_close(gradient, first.get(name, zero) + second.get(name, zero), rtol=1e-3, atol=1e-5)


def test_gradients_have_the_same_bits_where_blocks_are_computed_again(base: Backbone) -> None:
    blocks = blocks_of(base.denoiser).values()
    plain, less = gradients(base, [0]), gradients(base, [0], blocks)
    assert plain.keys() == less.keys()
    assert all(torch.equal(less[name], gradient) for name, gradient in plain.items())


def test_ranks_follow_the_formula_of_the_paper() -> None:
    u = torch.tensor([0.0, 0.25, 0.5, 0.999, 1.0])
    assert ranks_on(u, rank=16, least=8).sum(dim=1).tolist() == [16, 14, 12, 8, 8]
    assert ranks_on(u, rank=16, least=8, power=2.0).sum(dim=1).tolist() == [16, 12, 10, 8, 8]
    assert ranks_on(torch.tensor([0.5]), rank=4, least=2).tolist() == [[1, 1, 1, 0]], "the first ones stay"


def test_convolutions_have_them_too() -> None:
    layer, on = nn.Conv2d(3, 5, 3, padding=1), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    x, down, up = torch.randn(2, 3, 6, 6), torch.randn(2, 3, 3, 3), torch.randn(5, 2, 1, 1)
    found = product(layer, down, up, x, on)
    torch.testing.assert_close(found[:1], product(layer, down, up, x[:1]))
    torch.testing.assert_close(found[1:], product(layer, down[:1], up[:, :1], x[1:]))


def test_an_error_leaves_no_ranks_behind() -> None:
    with pytest.raises(ZeroDivisionError), only_ranks(torch.ones(1, 2)):
        raise ZeroDivisionError
    assert ranks_now() is None


@pytest.mark.parametrize("settings", [{}, {"rank": 4, "noisy_rank": 4}])
def test_the_base_model_is_left_alone_where_nothing_is_asked_for(settings: dict[str, int]) -> None:
    model: Any = object()
    assert with_noisy_ranks(model, Recipe.of(**settings).adapter) is model


def test_contradictions_are_refused() -> None:
    with pytest.raises(ConfigError, match="noisy_rank: got 8, expected at most rank, which is 4"):
        Recipe.of(rank=4, noisy_rank=8)
    with pytest.raises(ConfigError, match="noisy_rank and compile"):
        Recipe.of(noisy_rank=8, compile=True)

"""The noise levels of each family's suggested recipe are those that its trainers published, at 1024 pixels.

The formulas below are the trainers' own, by hand, and share no code with ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from lora_workbench.engine.data.goals import USUAL
from lora_workbench.engine.diffusion.shift import Shift
from lora_workbench.engine.models.contract import BackboneInfo
from lora_workbench.engine.models.families import all_traits
from lora_workbench.engine.models.traits import Traits
from lora_workbench.engine.training.levels import trained_levels
from lora_workbench.engine.training.recipe import Recipe

SHARES = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
TOKENS = 64 * 64
OWN_SHIFT = 5.0
"""Of every model here, for families that train as they are sampled."""

Quantiles = Callable[[torch.Tensor], torch.Tensor]


def shift(t: torch.Tensor, s: float) -> torch.Tensor:
    return t * s / (1 + (s - 1) * t)


def uniform(p: torch.Tensor) -> torch.Tensor:
    return p


def sigmoid(p: torch.Tensor) -> torch.Tensor:
    """``torch.sigmoid(torch.randn(…))`` in sd-scripts, musubi-tuner and ai-toolkit; OneTrainer's LOGIT_NORMAL."""
    return torch.sigmoid(math.sqrt(2) * torch.erfinv(2 * p - 1))


def parabola(p: torch.Tensor) -> torch.Tensor:
    """OneTrainer's INVERTED_PARABOLA with a noising_weight of 7.7: its weights, summed up over a grid."""
    grid = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    weights = (-7.7 * (grid - 0.5) ** 2 + 2).clamp(min=0)
    return grid[torch.searchsorted(torch.cumsum(weights, 0) / weights.sum(), p)]


def sigmoid_shifted(s: float) -> Quantiles:
    return lambda p: shift(sigmoid(p), s)


FLUX_SHIFT = math.exp(0.5 + (TOKENS - 256) * (1.15 - 0.5) / (4096 - 256))
"""``get_lin_function`` of Black Forest Labs, which sd-scripts, musubi-tuner and OneTrainer use."""

PUBLISHED: dict[str, Quantiles] = {
    "sd3": sigmoid,
    "flux1": sigmoid,
    "flux2": sigmoid_shifted(FLUX_SHIFT),
    "z-image": sigmoid,
    "krea2": sigmoid_shifted(2.5),
    "qwen-image": sigmoid_shifted(2.2),
    "anima": sigmoid,
    "chroma": parabola,
    "ideogram4": sigmoid,
    "wan": sigmoid_shifted(3.0),
    "lumina2": sigmoid_shifted(FLUX_SHIFT),
    "hidream": lambda p: shift(p, OWN_SHIFT),
    "ernie-image": sigmoid,
}
"""By name of a family; what isn't here is trained at all levels alike."""
STYLES: dict[str, Quantiles] = {"flux2": lambda p: 0.4 * shift(sigmoid(p), FLUX_SHIFT)}
"""Where a style has its own: musubi-tuner's ``--max_timestep 400``."""
EPSILON = ("sd1", "sd2", "sdxl", "ip2p")


@pytest.mark.parametrize("goal", USUAL)
@pytest.mark.parametrize("traits", all_traits(), ids=lambda traits: traits.title)
def test_ten_thousand_draws_have_the_published_quantiles(traits: Traits, goal: str) -> None:
    settings = traits.published.values(goal)
    base = BackboneInfo(
        traits=traits, content_hash="", prediction_type="epsilon" if traits.name in EPSILON else "flow",
        latent_channels=16, latent_factor=8, resolution=1024, target_presets={}, text_target_presets={},
        key_style=traits.key_style, shift=Shift.fixed(OWN_SHIFT), patch=2,
    )  # fmt: skip
    levels = trained_levels(Recipe.of(**settings).noise, base)
    drawn = levels.draw(10_000, torch.Generator().manual_seed(0), tokens=TOKENS)
    own = STYLES if goal == "style" and traits.name in STYLES else PUBLISHED
    expected = own.get(traits.name, uniform)(SHARES)
    apart = (torch.quantile(drawn.double(), SHARES) - expected).abs().max().item()
    assert apart < 0.02


def test_every_formula_belongs_to_a_family() -> None:
    names = {traits.name for traits in all_traits()}
    assert PUBLISHED.keys() <= names, PUBLISHED.keys() - names

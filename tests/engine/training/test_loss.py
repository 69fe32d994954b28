"""The loss of a batch, place by place."""

from __future__ import annotations

import pytest
import torch
from lora_workbench.engine.models import registry
from lora_workbench.engine.training.loss import denoising_loss
from lora_workbench.engine.training.recipe import Recipe


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


def test_weights_say_how_much_each_place_counts(base):
    """Two parts that make up the whole have losses that make up its loss, and a part's sees no error of the other."""
    latents = torch.randn(2, base.info.latent_channels, 8, 12, generator=torch.Generator().manual_seed(1))
    conditioning = base.encode_prompts(["a", "b"])

    def loss(weights: torch.Tensor | None) -> torch.Tensor:
        return denoising_loss(base, latents, conditioning, Recipe(), torch.Generator().manual_seed(2), weights)

    left = torch.zeros(2, 1, 8, 12)
    left[..., :5] = 1
    with torch.no_grad():
        assert torch.equal(loss(torch.ones_like(left)), loss(None))
        torch.testing.assert_close(loss(left) + loss(1 - left), loss(None))
        torch.testing.assert_close(loss(3 * left), 3 * loss(left))
        assert loss(torch.zeros_like(left)).tolist() == [0, 0]

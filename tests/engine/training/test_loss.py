"""The loss of a batch, place by place."""

from __future__ import annotations

import pytest
import torch
from lora_workbench.engine.diffusion.errors import LOSS_FUNCTIONS
from lora_workbench.engine.diffusion.noise import add_noise, gaussian_noise
from lora_workbench.engine.models import registry
from lora_workbench.engine.training.loss import denoising_loss
from lora_workbench.engine.training.recipe import Recipe


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


@pytest.mark.parametrize("function", LOSS_FUNCTIONS.names())
def test_weights_say_how_much_each_place_counts(base, function):
    """Two parts that make up the whole have losses that make up its loss, and a part's sees no error of the other."""
    latents = torch.randn(2, base.info.latent_channels, 8, 12, generator=torch.Generator().manual_seed(1))
    conditioning, recipe = base.encode_prompts(["a", "b"]), Recipe.of(loss_function=function)

    def loss(weights: torch.Tensor | None) -> torch.Tensor:
        return denoising_loss(base, latents, conditioning, recipe, torch.Generator().manual_seed(2), weights)

    left = torch.zeros(2, 1, 8, 12)
    left[..., :5] = 1
    with torch.no_grad():
        assert torch.equal(loss(torch.ones_like(left)), loss(None))
        torch.testing.assert_close(loss(left) + loss(1 - left), loss(None))
        torch.testing.assert_close(loss(3 * left), 3 * loss(left))
        assert loss(torch.zeros_like(left)).tolist() == [0, 0]


def test_the_model_sees_perturbed_noise_and_learns_its_own(base):
    latents = torch.randn(2, base.info.latent_channels, 8, 8, generator=torch.Generator().manual_seed(1))
    conditioning, recipe = base.encode_prompts(["a", "b"]), Recipe.of(input_perturbation=0.5, snr_gamma=0.0)
    with torch.no_grad():
        found = denoising_loss(base, latents, conditioning, recipe, torch.Generator().manual_seed(2))
        generator = torch.Generator().manual_seed(2)
        noise, more = (gaussian_noise(latents.shape, generator) for _ in range(2))
        levels = base.timesteps(torch.rand(2, generator=generator))
        x_t = add_noise(latents, noise + 0.5 * more, levels.alpha, levels.sigma)
        expected = (base.predict(x_t, levels.t, conditioning) - noise).square().mean((1, 2, 3))
    torch.testing.assert_close(found, expected)

"""Loss weights against their equations, and against what others compute."""

from __future__ import annotations

import pytest
import torch
from lora_workbench.engine.diffusion.prediction import PredictionType, target
from lora_workbench.engine.diffusion.weighting import WEIGHTINGS, LossWeights, min_snr_weight

SNR = torch.tensor([0.04, 1.0, 5.0, 20.0])
ALPHA, SIGMA = (SNR / (SNR + 1)).sqrt(), (1 / (SNR + 1)).sqrt()


def weights(prediction_type: PredictionType = "epsilon", **parameters: object) -> list[float]:
    return LossWeights(**parameters).of(prediction_type, ALPHA, SIGMA).tolist()  # type: ignore[arg-type]


def test_min_snr_is_the_default_and_what_it_was() -> None:
    assert weights() == min_snr_weight("epsilon", ALPHA, SIGMA, 5.0).tolist()
    assert weights("v_prediction") == min_snr_weight("v_prediction", ALPHA, SIGMA, 5.0).tolist()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"name": "soft_min_snr", "gamma": 5.0}, [5 / 5.04, 5 / 6, 0.5, 0.2]),
        ({"name": "debiased"}, [5.0, 1.0, 5**-0.5, 20**-0.5]),
        ({"name": "p2"}, [1 / 1.04, 1 / 2, 1 / 6, 1 / 21]),
        ({"name": "p2", "p2_gamma": 0.5, "p2_k": 5.0}, [5.04**-0.5, 6**-0.5, 10**-0.5, 0.2]),
    ],
)
def test_the_noise_error_weighs_as_the_paper_says(parameters: dict[str, object], expected: list[float]) -> None:
    assert weights(**parameters) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", WEIGHTINGS.names())
def test_a_weighting_means_the_same_for_both_predictions(name: str) -> None:
    """The same guess of a picture costs the same, told as noise or as v."""
    generator = torch.Generator().manual_seed(0)
    x0, noise, guess = (torch.randn(4, 2, 3, 3, generator=generator) for _ in range(3))
    costs = []
    for kind in ("epsilon", "v_prediction"):
        alpha, sigma = (level.reshape(-1, 1, 1, 1) for level in (ALPHA, SIGMA))
        implied = (alpha * x0 + sigma * noise - alpha * guess) / sigma  # the noise, if the guess were the picture
        right, wrong = target(kind, x0, noise, ALPHA, SIGMA), target(kind, guess, implied, ALPHA, SIGMA)
        costs.append((right - wrong).square().mean((1, 2, 3)) * LossWeights(name=name).of(kind, ALPHA, SIGMA))
    torch.testing.assert_close(*costs, rtol=1e-4, atol=1e-5)


def test_soft_min_snr_is_half_of_the_harmonic_mean_on_the_picture() -> None:
    """The error of the picture weighs SNR times that of the noise: 1 / (1 / SNR + 1 / gamma)."""
    of_picture = torch.tensor(weights(name="soft_min_snr", gamma=4.0)) * SNR
    torch.testing.assert_close(of_picture, 1 / (1 / SNR + 1 / 4))


@pytest.mark.parametrize("name", WEIGHTINGS.names())
def test_flow_models_have_none_and_the_ends_are_finite(name: str) -> None:
    assert weights("flow", name=name) == [1, 1, 1, 1]
    alpha = torch.tensor([0.0, 1.0])
    for kind in ("epsilon", "v_prediction"):
        assert LossWeights(name=name).of(kind, alpha, alpha.flip(0)).isfinite().all()


def test_gammas_of_zero_turn_weightings_off() -> None:
    for name, off in (("min_snr", {"gamma": 0}), ("soft_min_snr", {"gamma": 0}), ("p2", {"p2_gamma": 0})):
        assert weights("v_prediction", name=name, **off) == [1, 1, 1, 1]
        assert not LossWeights(name=name, **off).changes_anything
    assert LossWeights(name="debiased", gamma=0, p2_gamma=0).changes_anything

"""The ways of training that are compared: each is the demo base's recipe with some settings changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

METHODS: Mapping[str, Mapping[str, Any]] = {
    "recipe": {},
    "recipe of the first version": {
        "steps": 400,
        "learning_rate": 0.003,
        "text_encoder_learning_rate": 0.001,
        "prior_batch_size": 4,
        "snr_gamma": 0.0,
        "caption_dropout": 0.0,
    },
    "rank 4": {"rank": 4, "alpha": 4},
    "rank 32": {"rank": 32, "alpha": 32},
    "rank 64": {"rank": 64, "alpha": 64},
    "320 steps": {"steps": 320},
    "attention only": {"targets": "attention"},
    "all layers": {"targets": "all_layers"},
    "text encoder frozen": {"train_text_encoder": False},
    "DoRA": {"kind": "dora"},
    "LoHa": {"kind": "loha"},
    "LoKr": {"kind": "lokr"},
    "OFT": {"kind": "oft"},
    "GraLoRA": {"kind": "gralora"},
    "PiSSA": {"init": "pissa"},
    "rsLoRA": {"rank_stabilized": True},
    "orthogonal": {"init": "orthogonal"},
    "SVD-Down": {"init": "svd_down"},
    "constant rate": {"schedule": "constant"},
    "linear rate": {"schedule": "linear"},
    "REX": {"schedule": "rex"},
    "LoRA+ 4": {"lora_plus_ratio": 4.0},
    "Adafactor": {"optimizer": "adafactor"},
    "Lion": {"optimizer": "lion"},
    "Muon": {"optimizer": "muon"},
    "Prodigy": {"optimizer": "prodigy", "learning_rate": 1.0, "text_encoder_learning_rate": 1.0},
    "schedule-free AdamW": {"optimizer": "schedule_free_adamw", "schedule": "constant"},
    "8-bit AdamW": {"optimizer": "adamw_8bit"},
    "EMA 0.98": {"ema_decay": 0.98},
    "range test": {"rate_search": "range_test"},
    "no weights of the loss": {"snr_gamma": 0.0},
    "min-SNR 5": {"snr_gamma": 5.0},
    "soft min-SNR 1": {"loss_weighting": "soft_min_snr"},
    "debiased": {"loss_weighting": "debiased"},
    "P2": {"loss_weighting": "p2"},
    "Huber": {"loss_function": "huber"},
    "Huber, fixed delta": {"loss_function": "huber", "huber_schedule": "constant"},
    "logit-normal levels": {"timestep_distribution": "logit_normal"},
    "noise offset 0.05": {"noise_offset": 0.05},
    "pyramid noise": {"pyramid_iterations": 6},
    "input perturbation 0.1": {"input_perturbation": 0.1},
    "T-LoRA": {"noisy_rank": 4},
    "no caption dropout": {"caption_dropout": 0.0},
    "caption dropout 0.2": {"caption_dropout": 0.2},
    "no class pictures": {"prior_weight": 0.0},
    "output preservation": {"prior_weight": 0.0, "output_preservation": 1.0},
    "output preservation 2": {"prior_weight": 0.0, "output_preservation": 2.0},
    "class pictures and output preservation": {"output_preservation": 1.0},
    "blank preservation": {"prior_weight": 0.0, "blank_preservation": 1.0},
}
"""Name -> settings; the learning rates are found by the search where they aren't among them."""

SCRIPTS: Mapping[str, Mapping[str, Any]] = {
    "diffusers' script": {"train_batch_size": 1, "rank": 4},
    "diffusers' script, our batch and rank": {"train_batch_size": 8, "rank": 16},
}
"""References: ``train_dreambooth_lora.py`` with the settings of its documentation, and with the recipe's batch and
rank, for as many steps as the recipe has, at the rate that the search finds."""
SCRIPT_RATE = 1e-4
"""Of its documentation."""

RATE_FACTORS = (0.55, 1.0, 1.8)
"""Of the recipe's learning rates, among which the search chooses."""
OTHER_RATE_FACTORS: Mapping[str, tuple[float, ...]] = {
    "Lion": (0.1, 0.2, 0.4),
    "Adafactor": (0.3, 0.55, 1.0),
    "LoKr": (1.0, 3.0, 10.0),
    "OFT": (0.3, 1.0, 3.0),
    **dict.fromkeys(SCRIPTS, (3.0, 10.0, 30.0, 100.0)),
}
"""The same for those that need rates of another size; of the script's documented one, which is low for this base."""


def rates_of(method: str) -> tuple[float, ...]:
    """The factors that are tried."""
    if "learning_rate" in METHODS.get(method, {}):
        return (1.0,)
    return OTHER_RATE_FACTORS.get(method, RATE_FACTORS)


def settings_of(method: str) -> Mapping[str, Any]:
    """Those that the method changes."""
    return SCRIPTS[method] if method in SCRIPTS else METHODS[method]

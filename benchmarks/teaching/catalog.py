"""The ways of training that are compared: each is the demo base's recipe with some settings changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

METHODS: Mapping[str, Mapping[str, Any]] = {
    "recipe": {},
    "rank 4": {"rank": 4, "alpha": 4},
    "rank 64": {"rank": 64, "alpha": 64},
    "attention only": {"targets": "attention"},
    "all layers": {"targets": "all_layers"},
    "text encoder frozen": {"train_text_encoder": False},
    "constant rate": {"schedule": "constant"},
    "linear rate": {"schedule": "linear"},
    "min-SNR 5": {"snr_gamma": 5.0},
    "noise offset 0.05": {"noise_offset": 0.05},
    "caption dropout 0.1": {"caption_dropout": 0.1},
    "no class pictures": {"prior_weight": 0.0},
}
"""Name -> settings; the learning rates are found by the search."""

SCRIPT = "diffusers' script"
"""Name of the reference: ``train_dreambooth_lora.py`` with the settings of its documentation, but for as many steps as
the recipe has, and the rate that is searched for."""
SCRIPT_OPTIONS: Mapping[str, Any] = {"train_batch_size": 1, "gradient_accumulation_steps": 1, "rank": 4}
SCRIPT_RATE = 1e-4
"""Of its documentation."""

RATE_FACTORS = (0.3, 0.55, 1.0, 1.8, 3.0)
"""Of the recipe's learning rates, among which the search chooses."""
SCRIPT_RATE_FACTORS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""The same for the script: the demo base needs higher rates than it documents."""

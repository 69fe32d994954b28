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

RATE_FACTORS = (0.3, 0.55, 1.0, 1.8, 3.0)
"""Of the recipe's learning rates, among which the search chooses."""

"""How thorough a training is, against how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Quality = Literal["draft", "standard", "thorough"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
STEPS: Mapping[Quality, float] = {"draft": 0.5, "standard": 1.0, "thorough": 1.5}
"""Quality -> factor of the usual number of steps."""

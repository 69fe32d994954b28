"""Goals of training, and how many pictures people use for each."""

from __future__ import annotations

from typing import Literal

Goal = Literal["subject", "style", "product", "person"]
USUAL: dict[Goal, tuple[int, int]] = {"subject": (10, 30), "style": (50, 200), "product": (10, 30), "person": (15, 40)}
"""Goal -> the usual minimum and maximum number of pictures."""

"""What adapters are taught, and how many pictures people teach it with."""

from __future__ import annotations

from typing import Literal

Goal = Literal["subject", "style", "product"]
USUAL: dict[Goal, tuple[int, int]] = {"subject": (10, 30), "style": (50, 200), "product": (10, 30)}
"""Goal -> the fewest and the most pictures that are usual."""

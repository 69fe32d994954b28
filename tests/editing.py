"""What makes edit models and pairs, from assets/make."""

from __future__ import annotations

import sys
from pathlib import Path

MAKE = Path(__file__).parents[1] / "assets" / "make"
sys.path.append(str(MAKE))

import features  # noqa: E402
from edit_base import save_edit_base  # noqa: E402
from line_drawing import line_drawing  # noqa: E402

__all__ = ["features", "line_drawing", "save_edit_base"]

"""Edit models and pairs, made on the spot."""

from __future__ import annotations

import sys
from pathlib import Path

MAKE = Path(__file__).parents[1] / "assets" / "make"
sys.path.append(str(MAKE))

from edit_base import save_edit_base  # noqa: E402

__all__ = ["save_edit_base"]

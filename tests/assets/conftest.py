"""The scripts in assets/make import each other as siblings; so do the tests of them."""

from __future__ import annotations

import sys
from pathlib import Path

import lora_workbench

MAKE = Path(lora_workbench.__file__).parent / "assets" / "make"
if str(MAKE) not in sys.path:
    sys.path.append(str(MAKE))

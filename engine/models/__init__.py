"""Base models: the contract, and one file per family."""

from . import sd1, sdxl
from .registry import FAMILIES

FAMILIES.register("sd1", sd1.FAMILY)
FAMILIES.register("sdxl", sdxl.FAMILY)

"""Base models: the contract, and one file a family."""

from . import sd1, sdxl
from .registry import FAMILIES

FAMILIES.register("sd1", sd1.FAMILY)
FAMILIES.register("sdxl", sdxl.FAMILY)

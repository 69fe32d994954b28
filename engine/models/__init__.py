"""Base models: the contract, and one file per family."""

from .families import flux1, sd1, sdxl
from .registry import FAMILIES

for _family in (sd1, sdxl, flux1):
    FAMILIES.register(_family.FAMILY.traits.name, _family.FAMILY)

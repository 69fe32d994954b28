"""Base models: the contract, and one file per family."""

from .families import flux1, ip2p, sd1, sdxl
from .registry import FAMILIES

for _family in (sd1, sdxl, ip2p, flux1):
    FAMILIES.register(_family.FAMILY.traits.name, _family.FAMILY)

"""Base models: the contract, and one file per family."""

from .families import flux1, ip2p, sd1, sdxl, z_image
from .registry import FAMILIES

for _family in (sd1, sdxl, ip2p, flux1, z_image):
    FAMILIES.register(_family.FAMILY.traits.name, _family.FAMILY)

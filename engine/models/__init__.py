"""Base models: the contract, and one file per family."""

from .families import (
    anima,
    flux1,
    flux2,
    flux3,
    ip2p,
    krea2,
    qwen_image,
    qwen_image21,
    qwen_image_edit,
    sd1,
    sdxl,
    z_image,
)
from .registry import FAMILIES

for _family in (sd1, sdxl, ip2p, flux1, flux2, flux3, z_image, qwen_image, qwen_image21, krea2, anima):
    FAMILIES.register(_family.FAMILY.traits.name, _family.FAMILY)
FAMILIES.register("flux1-kontext", flux1.KONTEXT_FAMILY)
FAMILIES.register("qwen-image-edit", qwen_image_edit.FAMILY)
FAMILIES.register("qwen-image-edit-plus", qwen_image_edit.PLUS_FAMILY)
FAMILIES.register("flux3-distilled", flux3.DISTILLED_FAMILY)

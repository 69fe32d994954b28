"""Save an edit model of a Stable Diffusion 1.x: its UNet gets input channels for the picture to edit.

It is what ``demo_edit_base`` becomes as it is loaded, with all weights in its folder, for other programs.

    python assets/make/edit_base.py assets/demo_base output/demo_edit_base
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from lora_workbench.engine.models.reference_channels import add_reference_channels

PIPELINE = "StableDiffusionInstructPix2PixPipeline"


def save_edit_base(source: Path, folder: Path, *, noise: float = 0.0) -> Path:
    """Save an edit model as a diffusers folder.

    Args:
        source: a diffusers folder of Stable Diffusion 1.x.
        folder: the result's; may be ``source``.
        noise: standard deviation of the new channels' weights, for tests that need some.
    """
    import torch
    from diffusers import UNet2DConditionModel

    if folder != source:
        shutil.copytree(source, folder, dirs_exist_ok=True)
    unet = UNet2DConditionModel.from_pretrained(source / "unet", local_files_only=True)
    channels = unet.config["in_channels"]
    add_reference_channels(unet)
    torch.manual_seed(0)
    with torch.no_grad():
        added = unet.conv_in.weight[:, channels:]
        added.copy_(noise * torch.randn(added.shape))
    unet.save_pretrained(folder / "unet")
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": PIPELINE}, indent=2) + "\n")
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    save_edit_base(arguments.source, arguments.folder)

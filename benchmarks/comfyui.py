"""Shared by the benchmarks that run inside ComfyUI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "native"), str(ROOT / "assets" / "make")]

SD15 = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "channel_mult": [1, 2, 4, 4],
    "num_res_blocks": [2, 2, 2, 2], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "context_dim": 768, "num_heads": 8,
    "num_head_channels": -1, "use_spatial_transformer": True, "use_linear_in_transformer": False,
    "use_temporal_attention": False, "adm_in_channels": None, "legacy": False,
}  # fmt: skip
"""The UNet of Stable Diffusion 1.5 in ComfyUI's terms."""


def in_comfyui() -> None:
    """Continue in the Python that has ComfyUI's requirements; exit if no ComfyUI is named."""
    interpreter = os.environ.get("COMFYUI_PYTHON", sys.executable)
    if not os.environ.get("COMFYUI_PATH"):
        print("COMFYUI_PATH names no ComfyUI checkout; nothing was measured.")
        sys.exit()
    if Path(interpreter).absolute() != Path(sys.executable).absolute():
        os.execv(interpreter, [interpreter, *sys.argv])

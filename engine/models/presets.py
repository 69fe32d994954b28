"""Which layers of a transformer the target presets mean, by the names that all families give such layers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_IN_BLOCK = r"\.\d+\.(?:.*\.)?"
_MODULATION = re.compile(r"norm|mod(ulation)?(\.|_|$)|adaln", re.IGNORECASE)
_REFERENCE = re.compile(r"(^|\.)image_cond\.")
"""What sees nothing but pictures to edit, and so learns only from edits."""
_PROMPT = re.compile(r"^(?:llm_adapter|text_conditioner)\.")
"""What reads the prompt before Anima's blocks do. Its authors advise against training it, which makes it forget, and
sd-scripts and diffusion-pipe do so only when asked to."""
_ATTENTION = re.compile(rf"{_IN_BLOCK}\w*(?:attn|attention)\w*\.|{_IN_BLOCK}linear[12]$", re.IGNORECASE)
_FEED_FORWARD = re.compile(
    rf"{_IN_BLOCK}\w*(?:ff|ffn|mlp|feed_forward)\w*\.|(?:blocks|layers)\.\d+\.proj_(?:mlp|out)$", re.IGNORECASE
)
"""With the projections of FLUX's single blocks, and without those out of a U-Net's transformers."""


def target_presets(paths: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Preset -> module keys of the layers to adapt.

    ``attention`` are the projections of the attention layers inside the blocks; in FLUX's single blocks they may share
    a layer with the feed-forward part. Layers that modulate or normalize, see only pictures to edit, or read the prompt
    before the blocks are in ``all_layers`` only.

    Args:
        paths: of all linear layers and convolutions of the denoiser.
    """
    paths = list(paths)
    inner = [path for path in paths if not any(other.search(path) for other in (_MODULATION, _REFERENCE, _PROMPT))]
    attention = [path for path in inner if _ATTENTION.search(path)]
    feed_forward = [path for path in inner if _FEED_FORWARD.search(path) and path not in attention]
    presets = {
        "attention": attention,
        "attention_and_feed_forward": attention + feed_forward,
        "all_layers": paths,
    }
    return {preset: tuple(f"denoiser.{path}" for path in chosen) for preset, chosen in presets.items()}

"""How tensors' names in adapter files begin: which part of a base model they belong to."""

from __future__ import annotations

import re
from typing import NamedTuple

_WRAPPERS = ("base_model.model.", "_orig_mod.", "module.")
"""Left there by peft, ``torch.compile`` and data-parallel training; anywhere among the prefixes."""
_KOHYA = re.compile(r"lora_(unet|transformer|te[12]?)[._]")
"""Underscores follow instead of dots, but in files of OneTrainer's own."""
_KOHYA_TEXT = {"te": "text_encoder", "te1": "text_encoder", "te2": "text_encoder_2"}
_LYCORIS = "lycoris_"
"""LyCORIS puts it before the layers of whatever it wraps, mostly a denoiser."""
_DOTTED = (
    ("text_encoders.clip_l.transformer.", "text_encoder"),
    ("text_encoders.clip_h.transformer.", "text_encoder"),
    ("text_encoders.clip_g.transformer.", "text_encoder_2"),
    ("clip_l.transformer.", "text_encoder"),
    ("clip_g.transformer.", "text_encoder_2"),
    ("clip_l.", "text_encoder"),
    ("clip_g.", "text_encoder_2"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
    ("model.diffusion_model.", "denoiser"),
    ("diffusion_model.", "denoiser"),
    ("unet.", "denoiser"),
    ("transformer.", "denoiser"),
)
_DENOISER_ROOT = re.compile(
    r"(?:(?:down|up|input|output|double|single|transformer|single_transformer)_blocks|mid_block|middle_block|blocks"
    r"|layers|conv_in|conv_out|time_embedding|add_embedding|time_embed|label_emb|text_conditioner)(?:[._]|$)"
)
_TEXT_ROOT = re.compile(r"(?:text_model|encoder[._]layers)[._]")


class Place(NamedTuple):
    """Where a module is."""

    component: str
    path: str
    """Inside the component, as in the file."""


def place_of(name: str) -> Place | None:
    """Split a module's name in a file; ``None`` if it doesn't say which component it is in.

    Prefixes are taken off in any order and number, as in ``unet.base_model.model.``; the first one that names a
    component counts. A name without any is known by its first level.
    """
    if (kohya := _KOHYA.match(name)) and kohya.end() < len(name):
        return Place(_KOHYA_TEXT.get(kohya[1], "denoiser"), name[kohya.end() :])
    component = ""
    while found := _dotted_prefix(name):
        prefix, named = found
        component, name = component or named, name.removeprefix(prefix)
    if name.startswith(_LYCORIS):
        name = name.removeprefix(_LYCORIS)
        component = component or _component_of_root(name) or "denoiser"
    component = component or _component_of_root(name)
    return Place(component, name) if component and name else None


def _dotted_prefix(name: str) -> tuple[str, str] | None:
    """(prefix, component that it names); wrappers name none."""
    for prefix, component in (*_DOTTED, *((wrapper, "") for wrapper in _WRAPPERS)):
        if name.startswith(prefix):
            return prefix, component
    return None


def _component_of_root(path: str) -> str:
    if _TEXT_ROOT.match(path):
        return "text_encoder"
    return "denoiser" if _DENOISER_ROOT.match(path) else ""

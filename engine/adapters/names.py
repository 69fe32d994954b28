"""Translation between module keys and the names of tensors in adapter files.

A *module key* is ``<component>.<module path>``, for example ``denoiser.mid_block.attentions.0.proj_in`` or
``text_encoder.encoder.layers.0.self_attn.q_proj``. A *file key* names a tensor; these styles are written:

- ``kohya``: ``lora_unet_mid_block_attentions_0_proj_in.lora_down.weight``, ``.lora_up.weight``, ``.alpha``;
- ``transformer``: ``transformer.<path>.lora_A.weight``, ``.lora_B.weight``, no alpha: the scale is 1;
- ``unet``: ``unet.<path>.lora_A.weight`` and so on, as diffusers writes adapters of UNets;
- ``native``: ``diffusion_model.<path>.lora_A.weight``, ``.lora_B.weight``, with ComfyUI's own paths and no alpha, for
  families that it knows by no other names.

Kohya's names have underscores for dots, so names are compared in their *flat* form, which has them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal, NamedTuple

from .kinds import KINDS, AdapterKind
from .prefixes import place_of
from .spellings import plain

KeyStyle = Literal["kohya", "transformer", "unet", "native"]

_DENOISER: dict[KeyStyle, str] = {"transformer": "transformer", "unet": "unet", "native": "diffusion_model"}
_KOHYA_ONE_ENCODER = {"denoiser": "lora_unet_", "text_encoder": "lora_te_"}
_KOHYA_TWO_ENCODERS = {"denoiser": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}


class FileKey(NamedTuple):
    """The parsed name of a tensor in an adapter file."""

    module: str
    """``<component>.<path>``, with the path as in the file: kohya's have underscores for dots."""
    part: str
    stem: str
    """What the tensors of this module have in common. A file may have several for one module."""


def parse(file_key: str) -> FileKey | None:
    """Parse a tensor's name of any style; ``None`` if it belongs to no known kind of adapter."""
    for name in dict.fromkeys((file_key, plain(file_key))):
        for suffix, part in _parts(tuple(KINDS)).items():
            if name.endswith(suffix):
                stem = name.removesuffix(suffix)
                place = place_of(stem)
                return FileKey(f"{place.component}.{place.path}", part, stem) if place else None
    return None


@cache
def _parts(kinds: tuple[AdapterKind, ...]) -> dict[str, str]:
    """Suffix of a tensor's name -> part, for all kinds; longest suffixes first."""
    found: dict[str, str] = {}
    for kind in kinds:
        found |= {suffix: part for part, own in kind.suffixes.items() for suffix in own if suffix} | dict(kind.aliases)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def style_of(file_keys: Iterable[str]) -> KeyStyle:
    """The style to write an adapter with these names in again; kohya's unless a prefix says otherwise.

    Those of diffusers' UNets are written as kohya's, which more programs read.
    """
    begins = {key.split(".", 1)[0] for key in file_keys}
    for style, begin in _DENOISER.items():
        if begin in begins and style != "unet":
            return style
    return "kohya"


def flat(module_key: str) -> str:
    """The flat form of a module key, which is the same for all names of a module.

    Dots of the path become underscores, and the ``text_model`` level is dropped: files always have it, but CLIP text
    encoders only in some versions of transformers.
    """
    component, path = module_key.split(".", 1)
    path = path.replace(".", "_")
    if component.startswith("text_encoder"):
        path = path.removeprefix("text_model_")
    return f"{component}.{path}"


def file_keys(modules: Mapping[str, str], style: KeyStyle) -> dict[str, dict[str, str]]:
    """The names of an adapter's tensors in a file.

    Args:
        modules: module key -> kind of adapter, for all modules of the adapter: kohya's prefix of the first text encoder
            depends on whether there is a second one.
        style: style of the names.

    Returns:
        Module key -> part -> tensor name; only ``kohya`` has ``alpha``.
    """
    return {
        key: {
            part: stem + own
            for part, suffix in KINDS.get(modules[key]).suffixes.items()
            if (own := suffix.kohya if style == "kohya" else suffix.peft)
        }
        for key, stem in stems(modules, style).items()
    }


def stems(module_keys: Iterable[str], style: KeyStyle) -> dict[str, str]:
    """Module key -> prefix of the names of its tensors in a file; see :func:`file_keys`."""
    module_keys = list(module_keys)
    two = any(key.startswith("text_encoder_2.") for key in module_keys)
    prefixes = _KOHYA_TWO_ENCODERS if two else _KOHYA_ONE_ENCODER
    found = {}
    for key in module_keys:
        component, path = key.split(".", 1)
        if component.startswith("text_encoder"):  # other programs expect a level more for CLIP; T5 has other names
            path = re.sub(r"^encoder([._])layers\1", r"text_model\1encoder\1layers\1", path)
        if style == "kohya":
            found[key] = prefixes[component] + path.replace(".", "_")
        else:
            found[key] = f"{_DENOISER[style] if component == 'denoiser' else component}.{path}"
    return found

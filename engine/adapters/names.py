"""Names: between our module keys and those in adapter files.

A *module key* is ``<component>.<module path>``, for example ``denoiser.mid_block.attentions.0.proj_in`` or
``text_encoder.encoder.layers.0.self_attn.q_proj``. A *file key* names a tensor; three styles are written:

- ``kohya``: ``lora_unet_mid_block_attentions_0_proj_in.lora_down.weight``, ``.lora_up.weight``, ``.alpha``;
- ``transformer``: ``transformer.<path>.lora_A.weight``, ``.lora_B.weight``, no alpha: the scale is 1;
- ``native``: ``diffusion_model.<path>.lora_A.weight``, ``.lora_B.weight``, with ComfyUI's own paths and no alpha, for
  the families that it knows by no other names.

Kohya names lose dots for underscores, so names from files are compared in their *flat* form, in which all names have
lost them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from .kinds import KINDS

KeyStyle = Literal["kohya", "transformer", "native"]

_COMPONENTS: tuple[tuple[str, str], ...] = (
    ("lora_unet_", "denoiser"),
    ("lora_transformer_", "denoiser"),
    ("lora_te_", "text_encoder"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
    ("unet.", "denoiser"),
    ("transformer.", "denoiser"),
    ("diffusion_model.", "denoiser"),
    ("base_model.model.", "denoiser"),
)
_WRAPPER = "base_model.model."
_DENOISER: dict[KeyStyle, str] = {"transformer": "transformer", "native": "diffusion_model"}
_KOHYA_ONE_ENCODER = {"denoiser": "lora_unet_", "text_encoder": "lora_te_"}
_KOHYA_TWO_ENCODERS = {"denoiser": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}


class FileKey(NamedTuple):
    """What the name of a tensor in an adapter file says."""

    module: str
    """``<component>.<path>``; the path is the file's own, with underscores for dots in kohya files."""
    part: str


def _parts() -> dict[str, str]:
    """Suffix of a tensor's name in a file -> part, for all kinds; the longest suffixes first."""
    found: dict[str, str] = {}
    for kind in KINDS:
        found |= {suffix: part for part, own in kind.suffixes.items() for suffix in own if suffix} | dict(kind.aliases)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def parse(file_key: str) -> FileKey | None:
    """Read a tensor's name in any known style; ``None`` when it isn't part of an adapter of a known kind."""
    for suffix, part in _parts().items():
        if file_key.endswith(suffix):
            module = _module(file_key.removesuffix(suffix))
            return FileKey(module, part) if module else None
    return None


def _module(name: str) -> str | None:
    for prefix, component in _COMPONENTS:
        if name.startswith(prefix):
            return f"{component}.{name.removeprefix(prefix).removeprefix(_WRAPPER)}"
    return None


def style_of(file_keys: Iterable[str]) -> KeyStyle:
    """The style to write an adapter in again that was read with these names: kohya's, unless they begin otherwise."""
    begins = {key.split(".", 1)[0] for key in file_keys}
    for style, begin in _DENOISER.items():
        if begin in begins:
            return style
    return "kohya"


def flat(module_key: str) -> str:
    """The form in which module keys and names from files are equal when they mean the same module.

    Dots of the path become underscores, and the ``text_model`` level is left out: files always have it, the
    modules of CLIP text encoders only in some versions of transformers.
    """
    component, path = module_key.split(".", 1)
    path = path.replace(".", "_")
    if component.startswith("text_encoder"):
        path = path.removeprefix("text_model_")
    return f"{component}.{path}"


def file_keys(modules: Mapping[str, str], style: KeyStyle) -> dict[str, dict[str, str]]:
    """The names that the tensors of these modules get in a file.

    Args:
        modules: module key -> name of its kind of adapter, for all modules of one adapter; whether it has a second text
            encoder decides between ``lora_te_`` and ``lora_te1_``.
        style: how to name them.

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
    """Module key -> what the names of its tensors in a file begin with; see :func:`file_keys`."""
    module_keys = list(module_keys)
    two = any(key.startswith("text_encoder_2.") for key in module_keys)
    prefixes = _KOHYA_TWO_ENCODERS if two else _KOHYA_ONE_ENCODER
    found = {}
    for key in module_keys:
        component, path = key.split(".", 1)
        path = _with_text_model(component, path)
        if style == "kohya":
            found[key] = prefixes[component] + path.replace(".", "_")
        else:
            found[key] = f"{_DENOISER[style] if component == 'denoiser' else component}.{path}"
    return found


def _with_text_model(component: str, path: str) -> str:
    """Put in the level that other programs expect in the names of CLIP's layers; T5's are called otherwise."""
    if not component.startswith("text_encoder"):
        return path
    return re.sub(r"^encoder([._])layers\1", r"text_model\1encoder\1layers\1", path)

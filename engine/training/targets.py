"""Which layers of a denoiser an adapter is trained on: those of a preset or named by a pattern, in all blocks or some.

Layers and blocks have the names that people see: those of the model's own modules, those in adapter files, and, for
UNets, those in checkpoints.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..adapters.ldm_names import ldm_names
from ..adapters.names import stems
from ..core.errors import AdapterError
from ..core.words import did_you_mean, first_of
from ..models.contract import Backbone
from .blocks import BlockRange, parse_blocks
from .settings import AdapterSettings

_DENOISER = "denoiser."
_PREFIX = ("diffusion_model.", "transformer.", "lora_unet_")
"""What names of layers begin with where the component is a part of them."""
_NUMBERED = re.compile(r"(?:^|(?<=\.))([A-Za-z_]\w*)\.(\d+)(?=\.)")
_SAME_STACK = {
    "double_blocks": "transformer_blocks",
    "joint_blocks": "transformer_blocks",
    "single_blocks": "single_transformer_blocks",
}
"""Stack in the code that a model was published with, and in ComfyUI -> in diffusers."""
_RIVAL = 1 / 4
"""Share of the longest stack's blocks from which on a number alone could mean another stack as well."""
_NEAR = 4
"""Number of near names in an error."""


@dataclass(frozen=True)
class Layer:
    """A layer that can be adapted, with its names."""

    key: str
    """Module key, ``denoiser.<path>``."""
    own: tuple[str, ...]
    """In the model, and in checkpoints."""
    parts: tuple[tuple[str, ...], ...]
    """Names in adapter files of each part that the layer is saved in; fused layers are saved in several."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        return (*self.own, *(name for names in self.parts for name in names))

    def is_in(self, blocks: BlockRange) -> bool:
        """Whether it is in one of these blocks, whose stack is named."""
        begins = _paths(blocks)
        return any(name.startswith(begins) for name in self.names)


def targets_of(base: Backbone, settings: AdapterSettings) -> Mapping[str, tuple[str, ...]]:
    """Component -> ends of the module keys of its layers to adapt, for the denoiser and the trained text encoders.

    Args:
        base: the base model.
        settings: ``layers`` and ``blocks`` choose within the denoiser; text encoders have their presets.

    Raises:
        AdapterError: a name is unknown, or nothing is left.
    """
    text = {}
    if settings.train_text_encoder:
        text = dict.fromkeys(base.text_encoder_names, base.info.text_target_presets[settings.targets])
    if not settings.layers and not settings.blocks:
        return {"denoiser": base.info.target_presets[settings.targets]} | text
    return {"denoiser": tuple(layer.key for layer in chosen_layers(base, settings))} | text


def chosen_layers(base: Backbone, settings: AdapterSettings) -> list[Layer]:
    """The denoiser's layers to adapt, in the order of the model.

    Raises:
        AdapterError: a name is unknown, or nothing is left.
    """
    known = list(_layers(base))
    blocks = _blocks(known, settings.blocks)
    if settings.layers:
        chosen = _matching(known, settings.layers)
    else:
        endings = _endings(base.info.target_presets[settings.targets])
        chosen = [layer for layer in known if f".{layer.key}".endswith(endings)]
    if blocks:
        chosen = [layer for layer in chosen if any(layer.is_in(own) for own in blocks)]
    if not chosen:
        what = f"layers {settings.layers!r}" if settings.layers else f"targets {settings.targets}"
        raise AdapterError(
            f"The blocks {settings.blocks} have no layers for {what}.",
            expected="blocks with layers to adapt",
            hint="choose other blocks, or more layers.",
        )
    return chosen


def remarks(base: Backbone, settings: AdapterSettings) -> Iterator[str]:
    """What ``layers`` and ``blocks`` choose otherwise than they say, for people.

    Raises:
        AdapterError: a name is unknown, or nothing is left.
    """
    if not settings.layers and not settings.blocks:
        return
    chosen = chosen_layers(base, settings)
    if settings.layers and (whole := list(_chosen_by_part(chosen, settings.layers))):
        yield (
            f"layers {settings.layers!r} names parts of layers that this model has as one, which are trained whole: "
            f"{first_of(whole)}."
        )
    every = [own for blocks in _blocks(list(_layers(base)), settings.blocks) for own in blocks.each()]
    if idle := [str(own) for own in every if not any(layer.is_in(own) for layer in chosen)]:
        yield f"Blocks without any of the chosen layers, where nothing is trained: {first_of(idle)}."


def _layers(base: Backbone) -> Iterator[Layer]:
    """Every layer that adapters of this family can have."""
    endings = _endings(base.info.target_presets["all_layers"])
    weights = {
        path: weight
        for path, module in base.denoiser.named_modules()
        if path and (weight := getattr(module, "weight", None)) is not None
    }
    in_checkpoints = ldm_names(weights)
    for path, weight in weights.items():
        key = _DENOISER + path
        if weight.ndim > 1 and f".{key}".endswith(endings):
            parts = [part for part, _ in base.file_parts(key)]
            in_files = stems(parts, base.info.key_style)
            yield Layer(
                key=key,
                own=(path, f"diffusion_model.{path}", *filter(None, [in_checkpoints.get(path)])),
                parts=tuple((part.removeprefix(_DENOISER), in_files[part]) for part in parts),
            )


def _endings(suffixes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f".{suffix}" for suffix in suffixes)


def _matching(known: Sequence[Layer], pattern: str) -> list[Layer]:
    search = re.compile(pattern).search
    if chosen := [layer for layer in known if any(map(search, layer.names))]:
        return chosen
    raise AdapterError(
        f"No layer's name matches layers {pattern!r}.",
        expected=f"a regular expression for names such as {first_of(_near(pattern, known), _NEAR)}",
        hint="names are those in adapter files or in ComfyUI; leave layers empty to choose by targets.",
    )


def _near(pattern: str, known: Sequence[Layer]) -> list[str]:
    """Ends of layers' names that come closest to a pattern, without numbers of blocks."""
    ends = dict.fromkeys(
        ".".join(levels[start:])
        for layer in known
        for name in (layer.own[0], *(names[0] for names in layer.parts))
        for levels in [re.split(r"\.(?:\d+\.)?", name)]
        for start in range(len(levels))
    )
    plain = re.sub(r"\.?\\d\+|\\|[$^()]", "", pattern).strip(".*")
    return difflib.get_close_matches(plain, ends, _NEAR) or list(dict.fromkeys(layer.own[0] for layer in known))


def _chosen_by_part(chosen: Sequence[Layer], pattern: str) -> Iterator[str]:
    """Paths of the layers of which the pattern names some parts but not all."""
    search = re.compile(pattern).search
    for layer in chosen:
        named = [any(map(search, names)) for names in layer.parts]
        if not any(map(search, layer.own)) and not all(named):
            yield layer.own[0]


def _blocks(known: Sequence[Layer], text: str) -> list[BlockRange]:
    """The block ranges, with the model's own names of their stacks.

    Raises:
        AdapterError: there are no such blocks, or a number could be of several stacks.
    """
    return [_named(known, blocks) for blocks in parse_blocks(text)]


def _named(known: Sequence[Layer], blocks: BlockRange) -> BlockRange:
    stacks = _stacks(name for layer in known for name in layer.names if not name.startswith(_PREFIX))
    if not blocks.stack:
        blocks = blocks._replace(stack=_only_long(_stacks(layer.own[0] for layer in known), blocks))
    elif blocks.stack not in stacks and (same := _SAME_STACK.get(blocks.stack)) in stacks:
        blocks = blocks._replace(stack=same or "")
    if unknown := [str(own) for own in blocks.each() if not any(layer.is_in(own) for layer in known)]:
        near = "" if blocks.stack in stacks else did_you_mean(blocks.stack, stacks)
        raise AdapterError(
            f"This model has no blocks {first_of(unknown)}{near or '.'}",
            expected=f"blocks among {_told(stacks)}",
            hint="names are those in adapter files or in ComfyUI; leave blocks empty for all.",
        )
    return blocks


def _stacks(names: Iterable[str]) -> dict[str, set[int]]:
    """Path of each list of blocks that isn't in another one -> numbers of its blocks."""
    found: dict[str, set[int]] = {}
    for name in names:
        if block := _NUMBERED.search(name):
            found.setdefault(name[: block.end(1)], set()).add(int(block[2]))
    return found


def _only_long(stacks: Mapping[str, set[int]], blocks: BlockRange) -> str:
    """The stack that numbers without a name mean.

    Raises:
        AdapterError: there are several long ones, or none.
    """
    longest = max(map(len, stacks.values()), default=0)
    long = [stack for stack, numbers in stacks.items() if len(numbers) >= _RIVAL * longest]
    if len(long) == 1:
        return long[0]
    raise AdapterError(
        f"blocks {blocks} doesn't say of which kind.",
        expected=f"a name before the numbers, one of {_told(stacks)}",
        hint=f"write for example: blocks = {long[0]} {blocks}" if long else "leave blocks empty.",
    )


def _told(stacks: Mapping[str, set[int]]) -> str:
    return first_of([f"{stack} {min(numbers)}-{max(numbers)}" for stack, numbers in stacks.items()], 8)


def _paths(blocks: BlockRange) -> tuple[str, ...]:
    """What the names of layers in these blocks begin with."""
    if blocks.numbers is None:
        return (f"{blocks.stack}.",)
    return tuple(f"{blocks.stack}.{number}." for number in blocks.numbers)

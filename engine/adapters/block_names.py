"""Where in a model a layer is, by names that people write: ``down.1``, ``mid``, ``up.1.2``, ``single.0-18``, ``te.3``.

A *block* is a stack of a model's blocks and the layer's number in it. A layer has the same block whether its name is
that of diffusers, ldm or kohya, bound to a base model or not.

- UNets: ``down.LEVEL.NUMBER``, ``mid``, ``up.LEVEL.NUMBER``. Number 2 of a level is also its resampling, as in ldm.
- Transformers: their lists of blocks by name, such as ``layers.7``; ``blocks`` for the main one, which models of two
  streams call ``double``, beside ``single``.
- ``in`` and ``out``: layers of the denoiser before and after all blocks.
- ``te`` and ``te2``: the text encoders.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

from .names import flat

_UNET = re.compile(r"(down|up)_blocks_(\d+)_(attentions|resnets|\w+?)_(\d+)")
_LDM = re.compile(r"(input|output)_blocks_(\d+)")
_MIDDLE = ("mid_block", "middle_block")
_NUMBERED = re.compile(r"(\w*?(?:blocks?|layers?|refiner))_(\d+)(?:_|$)")
_AFTER = re.compile(r"(?:final|proj_out|norm_out|conv_out|conv_norm_out|out_\d|head)")
_MAIN = ("transformer", "joint", "double")
"""What models call their main list of blocks, without ``_blocks``."""
_LDM_LEVEL = 3
"""Blocks that ldm counts for a level of SD1.x and SDXL: two or three with layers, the last of which may resample."""
_ORDER = ("in", "down", "mid", "up", "blocks", "single", "out")
"""Stacks of blocks as a picture goes through them."""
_AMONG = _ORDER.index("blocks")
"""Where other stacks stand."""

T = TypeVar("T")


class Block(NamedTuple):
    """The place of a layer."""

    stack: str
    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        return ".".join([self.stack, *map(str, self.numbers)])


@lru_cache(maxsize=2**16)
def block_of(module_key: str) -> Block:
    """The block of a layer, by the name that it has in a base model or in a file."""
    component, path = flat(module_key).split(".", 1)
    if component != "denoiser":
        numbered = _NUMBERED.search(path)
        return Block(component.replace("text_encoder", "te").replace("_", ""), _numbers(numbered and numbered[2]))
    if found := _UNET.match(path):
        number = found[4] if found[3] in ("attentions", "resnets") else _LDM_LEVEL - 1
        return Block(found[1], _numbers(found[2], number))
    if found := _LDM.match(path):
        return ldm_block(found[1] == "input", int(found[2]))
    if path.startswith(_MIDDLE):
        return Block("mid")
    if found := _NUMBERED.match(path):
        return Block(stack_name(found[1]), _numbers(found[2]))
    return Block("out" if _AFTER.match(path) else "in")


def ldm_block(downwards: bool, number: int) -> Block:
    """The block that SD1.x and SDXL call ``input_blocks.N``, or ``output_blocks.N``; also IN and OUT in vectors."""
    if downwards and number == 0:
        return Block("in")
    level, inside = divmod(number - downwards, _LDM_LEVEL)
    return Block("down" if downwards else "up", (level, inside))


def stack_name(name: str) -> str:
    """One name for a stack of blocks: ``blocks`` of ``double_blocks``, ``single`` of ``single_transformer_blocks``."""
    short = name.removesuffix("_blocks").removesuffix("_block")
    if short in _MAIN:
        return "blocks"
    if short.startswith("text_encoder"):
        return short.replace("text_encoder", "te").replace("_", "")
    return "single" if short == "single_transformer" else short


def known_blocks(module_keys: Iterable[str]) -> list[str]:
    """The blocks of these layers as people write them, such as ``down.0-3``, ``mid``, ``up.1-3``, ``te.0-11``."""
    levels: dict[str, set[int]] = defaultdict(set)
    for block in map(block_of, module_keys):
        levels[block.stack] |= {*block.numbers[:1]}
    double = "double" if "single" in levels else "blocks"
    return [_span(double if stack == "blocks" else stack, numbers) for stack, numbers in levels.items()]


def level_of(module_key: str) -> str:
    """The first level of a layer's block, as people write it: ``down.1``, ``mid``, ``single.7``, ``te.3``."""
    block = block_of(module_key)
    return str(Block(block.stack, block.numbers[:1]))


def component_of(level: str) -> str:
    """The component that a level is of: ``denoiser``, ``text_encoder``, ``text_encoder_2``."""
    encoder = re.fullmatch(r"te(\d*)(?:\..*)?", level)
    if not encoder:
        return "denoiser"
    return f"text_encoder_{encoder[1]}" if encoder[1] else "text_encoder"


def by_level(values: Mapping[str, T]) -> dict[str, list[T]]:
    """Level -> the values of its modules, in the order of the modules.

    Args:
        values: module key -> value.
    """
    found: dict[str, list[T]] = defaultdict(list)
    for key, value in values.items():
        found[level_of(key)].append(value)
    return dict(found)


def in_order(levels: Iterable[str]) -> list[str]:
    """Levels as a picture goes through them: text encoders last, and 2 before 10."""

    def place(level: str) -> tuple[int, str, int]:
        stack, _, number = level.partition(".")
        rank = _ORDER.index(stack) if stack in _ORDER else len(_ORDER) if stack.startswith("te") else _AMONG
        return rank, stack, int(number or 0)

    return sorted(levels, key=place)


def _span(stack: str, numbers: set[int]) -> str:
    if not numbers:
        return stack
    least, most = min(numbers), max(numbers)
    return f"{stack}.{least}-{most}" if most > least else f"{stack}.{least}"


def _numbers(*found: str | int | None) -> tuple[int, ...]:
    return tuple(int(number) for number in found if number is not None)

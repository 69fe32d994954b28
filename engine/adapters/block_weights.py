"""How strongly the blocks of one adapter count, as people write it.

Three forms, which may follow each other with commas:

- patterns: ``mid=0.5, up.1=0.8, down=0``, with the names of ``block_names.py``, ranges such as ``single.0-18``, or the
  community's IN04, M00, OUT05, D03, S12 and BASE, the text encoders;
- vectors of numbers, a block each, as those of sd-webui-lora-block-weight and the Inspire Pack: 17 for SD1.x (the
  blocks with attention), 26 for all of its blocks, 12 and 20 for SDXL, 61 for FLUX.1. Blocks that a vector leaves out
  are off, as there;
- presets by name: ``MIDD``, ``OUTALL`` …

Where several name a block, the last one counts; what none names counts in full.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..core.words import counted, did_you_mean, first_of
from .block_names import Block, block_of, known_blocks, ldm_block, stack_name

if TYPE_CHECKING:
    from .adapter import Adapter

LONGEST = 2000
"""Characters."""
LARGEST = 10.0
"""Absolute value of a weight."""
ALL = "all"
"""Name of the whole denoiser."""
_ENCODERS = ("te", "te2")
_ENCODERS_OF = {"BASE": _ENCODERS, "CLIP": ("te",), "T5": ("te2",)}
_UNET = ("down", "mid", "up")
_NAME = re.compile(r"(?P<stack>[A-Za-z][A-Za-z0-9_]*)(?P<numbers>(?:\.\d{1,4}(?:-\d{1,4})?)*)")
_LDM = re.compile(r"(IN|OUT|M|D|S)(\d{1,3})")


def _ids(way: str, numbers: Iterable[int]) -> list[str]:
    return [f"{way}{number:02}" for number in numbers]


VECTORS = {
    12: ["BASE", *_ids("IN", (4, 5, 7, 8)), "M00", *_ids("OUT", range(6))],
    17: ["BASE", *_ids("IN", (1, 2, 4, 5, 7, 8)), "M00", *_ids("OUT", range(3, 12))],
    20: ["BASE", *_ids("IN", range(9)), "M00", *_ids("OUT", range(9))],
    26: ["BASE", *_ids("IN", range(12)), "M00", *_ids("OUT", range(12))],
    61: ["CLIP", "T5", "IN", *_ids("D", range(19)), *_ids("S", range(38)), "OUT"],
}
"""Number of weights -> the blocks that they are of."""
_MADE_FOR = {12: "SDXL", 17: "SD1.x", 20: "SDXL", 26: "SD1.x", 61: "FLUX.1"}
PRESETS = {
    "NONE": [],
    "INS": _ids("IN", range(5)),
    "IND": _ids("IN", range(5, 12)),
    "INALL": _ids("IN", range(12)),
    "MIDD": [*_ids("IN", range(5, 12)), "M00", *_ids("OUT", range(7))],
    "OUTD": _ids("OUT", range(7)),
    "OUTS": _ids("OUT", range(7, 12)),
    "OUTALL": _ids("OUT", range(12)),
}
"""Name -> the blocks of a UNet that are on; for LoRAs of attention layers, the vectors that go by these names."""
_EVERYTHING = re.compile(r"ALL(\d*\.?\d*)")
"""The preset ALL, and its kin such as ALL0.5."""


@dataclass(frozen=True)
class Rule:
    """A weight for some blocks."""

    stack: str
    ranges: tuple[tuple[int, int], ...]
    """First and last number at each level; levels that aren't named are all."""
    weight: float
    written: str = ""
    """The name that it was written by; empty for those of vectors and presets."""

    def holds(self, block: Block) -> bool:
        """Whether it is for this block."""
        if self.stack == ALL:
            return block.stack not in _ENCODERS
        if self.stack != block.stack or len(self.ranges) > len(block.numbers):
            return False
        return all(first <= number <= last for (first, last), number in zip(self.ranges, block.numbers, strict=False))

    @property
    def name(self) -> str:
        spans = (str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)
        return ".".join([self.stack, *spans])


@dataclass(frozen=True)
class BlockWeights:
    """What an adapter's weights are multiplied by, block by block."""

    rules: tuple[Rule, ...]
    """The last one that holds for a block counts."""
    text: str
    """As it was written, with single blanks."""
    made_for: tuple[str, ...] = ()
    """Which models its vectors and presets are for: ``SD1.x``, ``SDXL``, ``FLUX.1`` or ``UNets``."""

    def factor(self, module_key: str) -> float:
        """What the weight of a layer's update is multiplied by; 1 if no rule holds."""
        block = block_of(module_key)
        return next((rule.weight for rule in reversed(self.rules) if rule.holds(block)), 1.0)

    def identity(self) -> list[list[object]]:
        """What results depend on."""
        return [[rule.name, rule.weight] for rule in self.rules]

    def __str__(self) -> str:
        return self.text


def parse_block_weights(text: str) -> BlockWeights:
    """Block weights as they are written; without rules if nothing is.

    Raises:
        ConfigError: with all parts that can't be read.
    """
    if len(text) > LONGEST:
        raise _unreadable([f"{len(text)} characters, which is more than {LONGEST}"])
    parts = [part.strip() for part in re.split("[,;]", text) if part.strip()]
    problems: list[str] = []
    if parts and all(_number(part) is not None for part in parts):
        rules, made_for = _vector(parts, problems), [_MADE_FOR.get(len(parts), "")]
    else:
        rules = [rule for part in parts for rule in _part(part, problems)]
        made_for = ["UNets"] if any(part.upper() in PRESETS for part in parts) else []
    if problems:
        raise _unreadable(problems)
    return BlockWeights(tuple(rules), ", ".join(parts), tuple(made_for))


def block_weights(text: str, adapter: Adapter) -> BlockWeights | None:
    """Block weights for an adapter, as of :func:`parse_block_weights`; ``None`` if all blocks count in full.

    Args:
        text: may be blank.
        adapter: bound to a base model or not.

    Raises:
        ConfigError: parts can't be read, or name blocks that the adapter doesn't have.
    """
    return fitting(text, adapter.modules, family=adapter.family, name=adapter.name)


def fitting(text: str, modules: Collection[str], *, family: str, name: str) -> BlockWeights | None:
    """The same for an adapter of which only the names of its modules are known."""
    weights = parse_block_weights(text)
    if problems := [*_foreign(weights, modules, family), *_unknown(weights, modules)]:
        known = known_blocks(modules) or ["none"]
        raise ConfigError(
            f"The block weights {weights.text!r} don't fit {name}: {first_of(problems, 3, '; ')}.",
            expected=f"blocks of this adapter: {', '.join(known)}; or {ALL}",
            hint=f"name blocks that it has, such as {known[0]}=0.5.",
        )
    return None if all(rule.weight == 1 for rule in weights.rules) else weights


def _foreign(weights: BlockWeights, modules: Iterable[str], family: str) -> Iterator[str]:
    """Vectors and presets for other models."""
    blocks = set(map(block_of, modules))
    unet = {block for block in blocks if block.stack in _UNET}
    fourth_level = any(block.numbers[:1] == (3,) for block in unet)
    fits = {
        "FLUX.1": any(block.stack == "single" for block in blocks),
        "SDXL": bool(unet) and not fourth_level,
        "SD1.x": bool(unet) and "xl" not in family,
        "UNets": bool(unet),
    }
    yield from (f"it is for {name}" for name in weights.made_for if not fits[name])


def _unknown(weights: BlockWeights, modules: Iterable[str]) -> Iterator[str]:
    """Names that no layer of the adapter is in."""
    blocks = set(map(block_of, modules))
    found = {rule.written for rule in weights.rules if any(map(rule.holds, blocks))}
    for name in dict.fromkeys(rule.written for rule in weights.rules):
        if name and name not in found:
            yield f"it has no block {name}{did_you_mean(name, map(str, blocks))}"


def _vector(parts: list[str], problems: list[str]) -> list[Rule]:
    ids = VECTORS.get(len(parts))
    if ids is None:
        problems.append(f"{counted(len(parts), 'number')}, expected {', '.join(map(str, VECTORS))}")
        return []
    off = ("blocks", "single") if _MADE_FOR[len(parts)] == "FLUX.1" else _UNET
    weights = [_weight(part, part, problems) for part in parts]
    named = (rule for name, weight in zip(ids, weights, strict=True) for rule in _named(name, weight))
    return [*(Rule(stack, (), 0.0) for stack in off), *named]


def _part(part: str, problems: list[str]) -> list[Rule]:
    """The rules of a pattern or a preset."""
    name, equals, value = (piece.strip() for piece in part.partition("="))
    if not equals:
        return _preset(name, problems)
    rules = _named(name, _weight(value, part, problems))
    if not rules:
        problems.append(f"{name!r} isn't the name of a block")
    return [replace(rule, written=name) for rule in rules]


def _preset(name: str, problems: list[str]) -> list[Rule]:
    if everything := _EVERYTHING.fullmatch(name.upper()):
        share = _weight(everything[1] or "1", name, problems)
        return [*_named(ALL, share), *_named("BASE", share)]
    on = PRESETS.get(name.upper())
    if on is None:
        problems.append(f"{name!r} isn't a preset{did_you_mean(name.upper(), PRESETS)}")
        return []
    off = [Rule(stack, (), 0.0) for stack in _UNET]
    return [*_named("BASE", float(bool(on))), *off, *(rule for block in on for rule in _named(block, 1.0))]


def _named(name: str, weight: float) -> list[Rule]:
    """The rules for a name; none if it can't be one."""
    if stacks := _ENCODERS_OF.get(name.upper()):
        return [Rule(stack, (), weight) for stack in stacks]
    if ldm := _LDM.fullmatch(name.upper()):
        block = _community(ldm[1], int(ldm[2]))
        return [Rule(block.stack, tuple((number, number) for number in block.numbers), weight)]
    found = _NAME.fullmatch(name)
    if found is None:
        return []
    ranges = [span.partition("-") for span in found["numbers"].split(".")[1:]]
    numbers = tuple((int(first), int(last or first)) for first, _, last in ranges)
    return [Rule(stack_name(found["stack"].lower()), numbers, weight)]


def _community(way: str, number: int) -> Block:
    if way in "DS":
        return Block("single" if way == "S" else "blocks", (number,))
    return Block("mid") if way == "M" else ldm_block(way == "IN", number)


def _weight(text: str, part: str, problems: list[str]) -> float:
    value = _number(text)
    if value is None or not math.isfinite(value) or abs(value) > LARGEST:
        problems.append(f"{part!r} has no weight from {-LARGEST:g} to {LARGEST:g}")
        return 1.0
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unreadable(problems: list[str]) -> ConfigError:
    return ConfigError(
        f"These block weights can't be read: {first_of(problems, 5, '; ')}.",
        expected=f"mid=0.5, up.1=0.8; or {', '.join(map(str, VECTORS))} numbers; or ALL, {', '.join(PRESETS)}",
        hint="write them as in the help of Stack.",
    )

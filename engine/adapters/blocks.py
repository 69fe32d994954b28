"""The blocks of base models that modules are in, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

_BLOCK = re.compile(r"(?:\w+\.)*?\w*(?:blocks?|layers|refiner)\w*(?:\.\d+)*")
"""The beginning of a layer's path, up to the outermost numbered block."""
_FLAT_BLOCK = re.compile(r"\w*?(?:blocks?|layers|refiner)(?:_\d+)*")
_NUMBER = re.compile(r"_(?=\d+(?:_|$))")

T = TypeVar("T")


def block_of(key: str) -> str:
    """Component and block of a module, such as ``denoiser.down_blocks.1``; the module itself outside any block.

    Args:
        key: module key, whose path may have underscores for dots, as in files.
    """
    component, path = key.split(".", 1)
    if "." in path:
        found = _BLOCK.match(path)
        return f"{component}.{found[0] if found else path}"
    found = _FLAT_BLOCK.match(path)
    return f"{component}.{_NUMBER.sub('.', found[0] if found else path)}"


def grouped(values: Mapping[str, T]) -> dict[str, list[T]]:
    """Component and block -> the values of its modules, in the order of the modules.

    Args:
        values: module key -> value.
    """
    found: dict[str, list[T]] = {}
    for key, value in values.items():
        found.setdefault(block_of(key), []).append(value)
    return found


def in_order(blocks: Iterable[str]) -> list[str]:
    """Blocks as a picture goes through them: the denoiser's first, FLUX's single ones last, and 2 before 10."""

    def place(block: str) -> tuple[bool, bool, list[tuple[int, str]]]:
        component, _, path = block.partition(".")
        pieces = [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.findall(r"\d+|\D+", path)]
        return component != "denoiser", path.startswith("single"), pieces

    return sorted(blocks, key=place)

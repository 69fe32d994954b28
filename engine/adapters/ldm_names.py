"""Names of a UNet's layers in the code that it was published with (ldm, also ComfyUI's), for diffusers' names.

ldm counts all blocks of the way down and of the way up in a row; diffusers counts them by level. Which is which follows
from the layers alone: how many residual blocks each level has, and where it has attention and resampling.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_SINGLE = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "class_embedding.linear_1": "label_emb.0.0",
    "class_embedding.linear_2": "label_emb.0.2",
}


def ldm_names(paths: Iterable[str]) -> dict[str, str]:
    """Path in diffusers' UNet -> path in ldm's, for every layer that both have; empty for other denoisers.

    Args:
        paths: of all layers with a weight, for example ``down_blocks.0.resnets.0.conv1``.
    """
    paths = list(paths)
    blocks = dict(_blocks(paths))
    found = {}
    for path in paths:
        if path in _SINGLE:
            found[path] = _SINGLE[path]
        elif (block := next((b for b in _beginnings(path) if b in blocks), None)) is not None:
            inner = path.removeprefix(block).removeprefix(".")
            inner = _RESNET.get(inner, inner) if ".resnets." in path else inner
            found[path] = f"{blocks[block]}.{inner}".removesuffix(".")
    return found


def _beginnings(path: str) -> Iterator[str]:
    """``a``, ``a.b``, ``a.b.c`` of ``a.b.c``."""
    levels = path.split(".")
    yield from (".".join(levels[:end]) for end in range(1, len(levels) + 1))


def _blocks(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(block in diffusers, block in ldm)."""
    known = {block for path in paths for block in _beginnings(path)}
    resnets = _counts(known)
    index = 1
    for level in range(resnets["down_blocks"][""]):
        block = f"down_blocks.{level}"
        for number in range(resnets["down_blocks"][str(level)]):
            yield f"{block}.resnets.{number}", f"input_blocks.{index}.0"
            yield f"{block}.attentions.{number}", f"input_blocks.{index}.1"
            index += 1
        if f"{block}.downsamplers" in known:
            yield f"{block}.downsamplers.0.conv", f"input_blocks.{index}.0.op"
            index += 1
    for part, name in enumerate(("resnets.0", "attentions.0", "resnets.1")):
        yield f"mid_block.{name}", f"middle_block.{part}"
    index = 0
    for level in range(resnets["up_blocks"][""]):
        block = f"up_blocks.{level}"
        for number in range(resnets["up_blocks"][str(level)]):
            yield f"{block}.resnets.{number}", f"output_blocks.{index}.0"
            yield f"{block}.attentions.{number}", f"output_blocks.{index}.1"
            index += 1
        if f"{block}.upsamplers" in known:
            last = 2 if f"{block}.attentions" in known else 1
            yield f"{block}.upsamplers.0.conv", f"output_blocks.{index - 1}.{last}.conv"


def _counts(known: set[str]) -> dict[str, dict[str, int]]:
    """Way -> level -> number of residual blocks; the empty level has the number of levels."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for block in known:
        way, *rest = block.split(".")
        if way not in ("down_blocks", "up_blocks") or not rest:
            continue
        if len(rest) == 1:
            counts[way][""] += 1
        elif len(rest) == 3 and rest[1] == "resnets":
            counts[way][rest[0]] += 1
    return counts

"""Adapter files that are damaged or meant to do harm, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NAME = "lora_unet_mid_block_attentions_0_proj_in"


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def lora(rank: int = 2) -> dict[str, Any]:
    """The header of a whole LoRA of 6 x 8."""
    down, up = 4 * rank * 8, 4 * rank * 6
    return {
        f"{NAME}.lora_down.weight": entry([rank, 8], 0, down),
        f"{NAME}.lora_up.weight": entry([6, rank], down, down + up),
    }


def content(header: bytes | Mapping[str, Any], body: bytes = bytes(112), length: int | None = None) -> bytes:
    """A file with this header and body, that claims this length of the header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def with_alpha(shape: list[int], begin: int, end: int, dtype: str = "F32", values: bytes = bytes(4)) -> bytes:
    return content(lora() | {f"{NAME}.alpha": entry(shape, begin, end, dtype)}, bytes(112) + values)


def factors(dtype: str, bits: int) -> bytes:
    down, up = 16 * bits // 8, 12 * bits // 8
    header = {
        f"{NAME}.lora_down.weight": entry([2, 8], 0, down, dtype),
        f"{NAME}.lora_up.weight": entry([6, 2], down, down + up, dtype),
    }
    return content(header, bytes(down + up))


def with_metadata(value: Any) -> bytes:
    return content(lora() | {"__metadata__": value})


def scale(text: str = "", **declared: Any) -> bytes:
    """With diffusers' declaration of the scale."""
    fields = {f"unet.{name}": value for name, value in {"r": 2, "lora_alpha": 1, **declared}.items()}
    return with_metadata({"lora_adapter_metadata": text or json.dumps(fields)})


def adapters() -> dict[str, bytes]:
    """The contents of files that no adapter can be made of."""
    down, up = f"{NAME}.lora_down.weight", f"{NAME}.lora_up.weight"
    again = f', "{up}": {json.dumps(entry([6, 2], 64, 112))}}}'.encode()
    return {
        "nothing": b"",
        "seven bytes": b"1234567",
        "no header": content(b"", b""),
        "a header of 2^63 bytes": content(b"{}", b"", 2**63),
        "a header longer than the file": content(b"{}", b"", 1000),
        "a header of 40 MB": content(b" " * 40_000_000, b""),
        "a header that isn't UTF-8": content(b'{"\xff\xfe": 1}'),
        "a header that isn't JSON": content(b"{]"),
        "a list": content(b"[]"),
        "a depth of 100,000": content(b"[" * 100_000),
        "a name twice": content(json.dumps(lora()).encode()[:-1] + again),
        "tensors that aren't described": content({up: 7}),
        "an unknown dtype": with_alpha([], 112, 116, "X9"),
        "offsets beyond the end": content(lora(), bytes(8)),
        "offsets below zero": with_alpha([], -4, 0),
        "offsets that overlap": with_alpha([], 0, 4),
        "a shape of 2^62": with_alpha([2**62, 4], 112, 116),
        "a size that isn't the shape's": with_alpha([3], 112, 116),
        "an infinite alpha": with_alpha([], 112, 116, values=b"\x00\x00\x80\x7f"),
        "metadata that are numbers": with_metadata({"ss_network_dim": 4}),
        "metadata that are a text": with_metadata("rank 4"),
        "rank 0": content(lora(0), b""),
        "other ranks": content({down: entry([2, 8], 0, 64), up: entry([6, 1], 64, 88)}, bytes(88)),
        "NaN": content(lora(), b"\xff" * 112),
        "factors of whole numbers": factors("I8", 8),
        "truth values": factors("BOOL", 8),
        "fp4": factors("F4", 4),
        "exponents alone": factors("F8_E8M0", 8),
        "a scale without an end": scale("{"),
        "a scale that is deep": scale("[" * 100_000),
        "a scale that is a list": scale("[1]"),
        "a scale without a number": scale(r="many"),
        "a scale over nothing": scale(r=0),
        "a scale without a rank": scale('{"unet.lora_alpha": 1}'),
        "a rank of another adapter": scale(r=8),
        "an infinite scale": scale('{"unet.r": 2, "unet.lora_alpha": 1e999}'),
        "a pattern without an end": scale(alpha_pattern={"(": 3}),
        "a pattern that explodes": scale(alpha_pattern={"(_*[a-z_0-9]*)*!": 3}),
        "patterns that are a list": scale(rank_pattern=[1]),
        "a base model": content({"model.diffusion_model.out.2.weight": entry([7, 4], 0, 112)}),
        "nothing but alphas": content({f"{NAME}.alpha": entry([28], 0, 112)}),
        "names of 60,000 characters": content({"a" * 60_000: entry([28], 0, 112)}),
        "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "a zip": b"PK\x03\x04" + bytes(1000),
        "a web page": b"<!DOCTYPE html><html>log in</html>",
        "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n",
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    }

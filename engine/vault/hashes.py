"""The hashes by which A1111 and Civitai know a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..adapters.headers import read_header

_PIECE = 2**20
_V1_BEGIN, _V1_SIZE = 0x100000, 0x10000


def hashes_of(path: Path) -> dict[str, str]:
    """AutoV1, AutoV2, AutoV3 and SHA256 of a safetensors file, in capitals as on Civitai. The whole file is read once.

    - **AutoV1**, A1111's first: 64 kB from the second megabyte on, the first 8 digits of their SHA-256. Shorter files
      have less to hash, or nothing.
    - **AutoV2**: the whole file, 10 digits.
    - **AutoV3**, kohya's ``sshs_model_hash``: what follows the header, so that metadata may change; 12 digits.

    Raises:
        AdapterError: it isn't a safetensors file.
    """
    body = read_header(path).body
    first, whole, tensors = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    at = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            whole.update(piece)
            tensors.update(piece[max(0, body - at) :])
            first.update(piece[max(0, _V1_BEGIN - at) : max(0, _V1_BEGIN + _V1_SIZE - at)])
            at += len(piece)
    digits = {"AutoV1": (first, 8), "AutoV2": (whole, 10), "AutoV3": (tensors, 12), "SHA256": (whole, 64)}
    return {name: hashed.hexdigest()[:count].upper() for name, (hashed, count) in digits.items()}

"""Hashes that name content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any


def bytes_hash(data: bytes) -> str:
    """SHA-256 of ``data`` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in chunks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def value_hash(*values: Any) -> str:
    """SHA-256 of plain values and dataclasses, over JSON with sorted keys: the order within mappings doesn't matter."""

    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        if isinstance(value, Path):
            return str(value)
        raise TypeError(f"{type(value).__name__} has no content hash")

    return bytes_hash(json.dumps(values, sort_keys=True, default=plain).encode())

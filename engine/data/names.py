"""File names: their natural order, and what they have in common."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath


def natural_key(name: str) -> tuple[object, ...]:
    """Sort key: by folder, numbers by value, ignoring case and Unicode normalization; the same on every system."""
    parts = []
    for part in canonical(name).split("/"):
        runs = re.split(r"([0-9]+)", part.casefold())
        numbers = [digits.lstrip("0") for digits in runs[1::2]]
        runs[1::2] = [f"{len(digits):06d}{digits}" for digits in numbers]
        parts.append(tuple(runs))
    return tuple(parts), name


def canonical(name: str) -> str:
    """NFC, since some systems store names with composed characters and others with decomposed ones."""
    return unicodedata.normalize("NFC", name)


def is_unicode(text: str) -> bool:
    """Whether the text can be encoded as UTF-8; file names and JSON escapes may contain lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stem(name: str) -> str:
    """A file's path without its last extension, in canonical spelling."""
    return canonical(str(PurePosixPath(name).with_suffix("")))

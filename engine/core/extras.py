"""Libraries that most users don't need: how to get the one that is missing."""

from __future__ import annotations


def missing(library: str, extra: str) -> str:
    """For example ``wordfreq isn't installed (pip install wordfreq, or "lora-workbench[captions]")``."""
    return f'{library} isn\'t installed (pip install {library}, or "lora-workbench[{extra}]")'

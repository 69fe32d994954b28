"""Steps in the logs of trainers that run elsewhere."""

from __future__ import annotations

import re

_COUNT = re.compile(r"(?<![\d/])(\d{1,7})/(\d{1,7})(?![\d/])")
_LOOKED_AT = 20_000
"""Characters at the end of a log."""


def steps_in(log: str, steps: int) -> int:
    """The steps that a log tells last, such as ``120/1000`` of a bar; 0 if it tells none of so many."""
    counts = [int(done) for done, total in _COUNT.findall(log[-_LOOKED_AT:]) if int(total) == steps]
    return min(counts[-1], steps) if counts else 0


def last_words(log: str, most: int = 400) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", log[-_LOOKED_AT:]) if line.strip()]
    return lines[-1][-most:] if lines else ""

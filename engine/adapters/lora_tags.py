"""``<lora:name:0.8>`` in prompts, as people write it for web UIs and for extensions of ComfyUI.

The parts after the name: weight of the denoiser, weight of the text encoder (the same if it is left out), and ``lbw=``
with block weights. ``unet=`` and ``te=`` name the weights, which Automatic1111's web UI has the other way round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .rows import Row, weight_of

_TAG = re.compile(r"<\s*(?:lora|lyco)\s*:([^<>\n]*)>", re.IGNORECASE)
_SCHEDULES = ("start", "stop", "step", "dyn", "lbwe")


@dataclass(frozen=True)
class Tags:
    """A prompt, read."""

    text: str
    """Without the tags, and without blanks and commas that they leave behind."""
    rows: tuple[Row, ...]
    """What the tags say, in order, each once."""
    problems: tuple[str, ...]
    """What can't be read, a phrase each."""


def read_tags(prompt: str) -> Tags:
    """Take the tags out of a prompt of one line."""
    rows, problems = [], []
    for found in _TAG.finditer(prompt):
        row, wrong = _row(found[1])
        problems += [f"{found[0]}: {problem}" for problem in wrong]
        rows.append(row)
    return Tags(_tidy(_TAG.sub("", prompt)) if rows else prompt.strip(), tuple(dict.fromkeys(rows)), tuple(problems))


def _row(inside: str) -> tuple[Row, list[str]]:
    """What is between the first colon and the bracket, and what is wrong with it."""
    name, *parts = (part.strip() for part in inside.split(":"))
    problems = [] if name else ["it names no adapter"]
    named = {key.strip().lower(): value.strip() for key, equals, value in (p.partition("=") for p in parts) if equals}
    positional = [part for part in parts if "=" not in part]
    problems += [f"{key}= isn't supported" for key in named if key not in ("unet", "te", "lbw")]
    if named.keys() & {*_SCHEDULES}:
        problems[-1] += ", since adapters count at every step and in all layers of a block"
    if len(positional) > 2:
        problems.append(f"{len(positional)} weights, expected two at most; block weights follow lbw=")
    weight = _weight(named.get("unet", (positional or ["1"])[0]), problems)
    text = _weight(named.get("te", positional[1] if len(positional) > 1 else f"{weight:g}"), problems)
    return Row(adapter=name, weight=weight, text_encoder_weight=text, blocks=named.get("lbw", "")), problems


def _weight(text: str, problems: list[str]) -> float:
    value = weight_of(text)
    if value is None:
        problems.append(f"{text!r} isn't a weight")
    return 1.0 if value is None else value


def _tidy(text: str) -> str:
    """Without empty places between commas, and double blanks."""
    text = re.sub(r"\s*,(?:\s*,)+", ",", re.sub(r"[ \t]{2,}", " ", text))
    return text.strip(" \t,")

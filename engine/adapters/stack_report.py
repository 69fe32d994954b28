"""What the adapters of a stack do to each other, in words, with weights that pictures are likely to survive."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from ..core.errors import AdapterError
from .combining import scaled
from .interference import Interference, interference
from .stack import Stack

BREAKS = 2.0
"""Effective total from which stacks of the demo base's adapters broke pictures: one of 126 below it, 44 of 74 above it
(``benchmarks/stacking.py``)."""
BEST = 1.6
"""Effective total at which none did, and at which subjects and styles came out best together."""
FAINT = 1.3
"""Effective total of several adapters below which they came out less than they can."""
_ALIKE = 0.3
"""Cosine from which two changes count as alike."""
_MOST_BLOCKS = 3


@dataclass(frozen=True)
class StackReport:
    """What is known of a stack without drawing a picture."""

    stack: Stack
    found: Interference

    @cached_property
    def names(self) -> list[str]:
        """Of the active adapters, with their weights."""
        return [f"{entry.adapter.name} {entry.weight:g}" for entry in self.found.entries]

    @property
    def breaks(self) -> bool:
        """Whether pictures are likely to be broken."""
        return self.found.effective_total > BREAKS

    @property
    def warning(self) -> str:
        """One sentence, empty where nothing is wrong."""
        if not self.breaks:
            return ""
        return (
            f"The adapters amount to {self.found.effective_total:.2f} of one at weight 1; above {BREAKS:g} pictures "
            f"tend to break. With all weights times {self.factor:.2f} they amount to {BEST:g}."
        )

    @property
    def advice(self) -> str:
        """One sentence where several adapters could be stronger, empty elsewhere."""
        if len(self.found.entries) < 2 or not 0 < self.found.effective_total < FAINT:
            return ""
        return (
            f"Together they could be stronger: subjects and styles came out best at {BEST:g}, which is all weights "
            f"times {BEST / self.found.effective_total:.2f}."
        )

    @property
    def factor(self) -> float:
        """What all weights should be multiplied by; 1 where nothing is wrong."""
        return BEST / self.found.effective_total if self.breaks else 1.0

    @property
    def unmeasured(self) -> str:
        """One sentence on adapters that couldn't be measured, empty if there are none."""
        if not self.found.unmeasured:
            return ""
        return (
            f"{', '.join(self.found.unmeasured)} changes weights by what they are, and can't be measured without the "
            "base model: connect base."
        )

    @property
    def varying(self) -> str:
        """One sentence on schedules and masks, empty if there are none."""
        names = [entry.adapter.name for entry in self.found.entries if entry.steps or entry.mask]
        if not names:
            return ""
        return f"Measured as if {', '.join(names)} were on at all steps, everywhere in the picture."

    def suggested(self) -> Stack:
        """The stack with weights that pictures are likely to survive."""
        return scaled(self.stack, self.factor) if self.breaks else self.stack

    def values(self) -> dict[str, Any]:
        """As plain values."""
        whole = self.found.whole
        return {
            "total_weight": _short(self.stack.total_weight()),
            "effective_total": _short(self.found.effective_total),
            "breaks": self.breaks,
            "suggested_factor": _short(self.factor),
            "adapters": [
                {"name": entry.adapter.name, "weight": entry.weight, "norm": _short(norm), "owns": _short(owned)}
                for entry, norm, owned in zip(
                    self.found.entries, whole.norms.tolist(), whole.owned.tolist(), strict=True
                )
            ],
            "pairs": [
                {
                    "adapters": [self.found.entries[one].adapter.name, self.found.entries[other].adapter.name],
                    "cosine": _short(float(whole.cosines[one, other])),
                    **dict(
                        zip(
                            ("input_overlap", "output_overlap", "overlap_by_chance"),
                            map(_short, self.found.overlap(one, other)),
                            strict=True,
                        )
                    ),
                }
                for one, other in combinations(range(len(self.found.entries)), 2)
            ],
            "blocks": {
                name: {"change": _short(block.strength), "owned": [_short(own) for own in block.owned.tolist()]}
                for name, block in self.found.blocks.items()
            },
        }

    def __str__(self) -> str:
        if not self.found.entries:
            return "No adapter of the stack has an effect."
        lines = [self._total()]
        lines += [told for told in (self.warning, self.advice, self.unmeasured, self.varying) if told]
        lines += [self._pair(one, other) for one, other in combinations(range(len(self.found.entries)), 2)]
        return "\n".join([*lines, self._strongest()])

    def _total(self) -> str:
        owned = ", ".join(
            f"{name} owns {share:.0%}" for name, share in zip(self.names, self.found.whole.owned.tolist(), strict=True)
        )
        relative = self.found.whole.relative
        beside = "" if math.isnan(relative) else f", {relative:.1%} of the base model's weights"
        return (
            f"The weights add up to {self.stack.total_weight():.3g}, the changes to {self.found.effective_total:.2f} "
            f"of one adapter at weight 1{beside}: {owned}."
        )

    def _pair(self, one: int, other: int) -> str:
        cosine = float(self.found.whole.cosines[one, other])
        inputs, outputs, chance = self.found.overlap(one, other)
        how = "work against each other" if cosine < -_ALIKE else "do much the same" if cosine > _ALIKE else "keep apart"
        return (
            f"{self.names[one]} and {self.names[other]} {how} (cosine {cosine:+.2f}); they answer to the same inputs "
            f"by {inputs:.0%} and move the same outputs by {outputs:.0%}, where chance makes {chance:.0%}."
        )

    def _strongest(self) -> str:
        blocks = sorted(self.found.blocks.items(), key=lambda item: -item[1].strength)[:_MOST_BLOCKS]
        told = [f"{name} ({self.names[int(block.owned.argmax())]})" for name, block in blocks]
        return f"Changed most: {', '.join(told)}."


def warnings(stack: Stack) -> list[str]:
    """Likely problems of a stack, one sentence each: what is measured first.

    It is measured only where it may be too much: by Cauchy and Schwarz, n adapters can't amount to more than the root
    of n times the sum of their squared weights.
    """
    regions = [stack.region(mask) for mask in (*stack.masks, None)] if stack.masks else [stack]
    told = dict.fromkeys(warning for region in regions if (warning := _measured(region)))
    return [*told, *stack.warnings()]


def _measured(stack: Stack) -> str:
    weights = [max(abs(entry.weight), abs(entry.text_encoder_weight)) for entry in stack.active()]
    if (len(weights) * sum(weight**2 for weight in weights)) ** 0.5 > BREAKS:
        with suppress(AdapterError):  # of different models, which is told by whoever applies them
            return StackReport(stack, interference(stack, overlaps=False)).warning
    return ""


def _short(value: float) -> float:
    return float(f"{value:.4g}")

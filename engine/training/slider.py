"""What a slider is trained on: two prompts, or pairs of pictures.

A slider is an adapter whose weight moves a property both ways: it learns one end at weight 1 and the other at weight -1
(Gandikota et al. 2023, arXiv:2311.12092).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, TypeAlias

from ..adapters.inject import Injection
from ..core.cache import TensorCache
from ..core.events import Event
from ..core.fields import positive, raise_all
from ..data.dataset import Dataset
from ..models.contract import Backbone, Conditioning
from .embeddings import embed
from .held import Budget
from .loss import Loss, StepLoss
from .slider_loss import Direction, SliderLoss
from .training_set import encode

RANGE = (-1.0, 1.0)
"""The weights that a slider is trained at, and the suggested range; somewhat further often works."""

MakeLoss: TypeAlias = Callable[[StepLoss, Any], Loss]
"""Turns the loss of an ordinary run into that of a slider."""


@dataclass(frozen=True, kw_only=True)
class PromptSlider:
    """A slider between two prompts, learned without pictures of either."""

    positive: str
    """What weight 1 moves toward."""
    negative: str
    """What weight -1 moves toward."""
    neutral: tuple[str, ...]
    """What the slider is used on, for example ``a person``."""
    preserve: tuple[str, ...] = ()
    """What must not change with the property, for example ``male`` and ``female``."""
    guidance: float = 3.0
    """The paper's eta: how far the ends lie from the neutral prompt."""
    predictions: ClassVar[int] = 3
    """Of the base model alone that both ends of a micro-batch are learned from."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "guidance")
        if not self.neutral or not all(prompt.strip() for prompt in self.neutral):
            problems.append("neutral: got no prompt, expected what the slider is used on, such as: a person")
        problems += [
            f"{name}: got no prompt, expected one end of the slider, such as: {example}"
            for name, text, example in (
                ("positive", self.positive, "an old person"),
                ("negative", self.negative, "a young person"),
            )
            if not text.strip()
        ]
        if self.positive.strip() and self.positive.strip() == self.negative.strip():
            problems.append(f"positive and negative: got {self.positive.strip()!r} for both, expected opposites")
        raise_all(problems, "The slider")

    @property
    def prompts(self) -> tuple[str, ...]:
        """Those that are encoded beside the captions."""
        return tuple(prompt for end in (self.positive, self.negative) for prompt in self.ends(end))

    @property
    def pictures(self) -> tuple[Dataset, ...]:
        """Those that are encoded beside the run's data sets."""
        return ()

    @property
    def key(self) -> Any:
        """What the result depends on, beside the pictures and the recipe."""
        return self

    def facts(self) -> dict[str, Any]:
        """For the file's metadata."""
        return {**asdict(self), "range": RANGE}

    def ends(self, prompt: str) -> tuple[str, ...]:
        """One end of the slider with each of the attributes to preserve."""
        return tuple(f"{prompt}, {attribute}" for attribute in self.preserve) or (prompt,)

    def encoded(
        self, base: Backbone, resolution: int, cache: TensorCache, adapted: str, budget: Budget
    ) -> Generator[Event, None, MakeLoss]:
        """Encode the prompts; ``adapted`` and ``budget`` are as for ``encode``, and ``resolution`` isn't used."""
        del resolution
        ends = [self.ends(prompt) for prompt in (self.positive, self.negative)]
        known = yield from embed(
            base, {prompt: (prompt, None) for end in ends for prompt in end}, cache, adapted, budget
        )
        up, down = (Conditioning.join([known[prompt] for prompt in end]).to(base.device) for end in ends)

        def make(loss: StepLoss, injection: Injection) -> Loss:
            goal = Direction(backbone=base, injection=injection, positive=up, negative=down, guidance=self.guidance)
            learned = replace(loss, goal=goal)
            return SliderLoss(positive=learned, negative=learned, injection=injection)

        return make


@dataclass(frozen=True, kw_only=True)
class PictureSlider:
    """A slider between the two pictures of each pair; the run's data set has the positive ones."""

    negatives: Dataset
    """The negative picture of each pair, in the order of the positive ones, with the same crops."""
    predictions: ClassVar[int] = 0

    @property
    def prompts(self) -> tuple[str, ...]:
        return ()

    @property
    def pictures(self) -> tuple[Dataset, ...]:
        return (self.negatives,)

    @property
    def key(self) -> Any:
        """What the result depends on, beside the positive pictures and the recipe."""
        return self.negatives.content_hash

    def facts(self) -> dict[str, Any]:
        """For the file's metadata."""
        return {"negative_pictures": self.negatives.manifest(), "range": RANGE}

    def encoded(
        self, base: Backbone, resolution: int, cache: TensorCache, adapted: str, budget: Budget
    ) -> Generator[Event, None, MakeLoss]:
        """Encode the negative pictures; ``adapted`` isn't used, as they have the captions of the positive ones."""
        del adapted
        negatives = yield from encode(base, self.negatives, resolution, cache, embed=False, budget=budget)

        def make(loss: StepLoss, injection: Injection) -> Loss:
            captioned = replace(negatives, captions=loss.subject.captions, embeddings=loss.subject.embeddings)
            return SliderLoss(positive=loss, negative=replace(loss, subject=captioned), injection=injection)

        return make


Slider: TypeAlias = PromptSlider | PictureSlider

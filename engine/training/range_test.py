"""A learning rate found on the user's own data, by a range test (Smith 2017, arXiv:1506.01186, section 3.3).

The rate rises by the same factor at each step. First nothing happens, then the loss falls faster and faster, and at
some rate it rises. The steps take turns at a few batches whose noise and noise levels stay the same, and each loss is
divided by the first one of its batch: otherwise the noise levels, which losses depend on most, would hide all that.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.errors import TrainingError
from ..core.events import Event, Progress, StepDone
from ..models.contract import Backbone
from .loop import Trainer
from .loss import Loss
from .optimizing import NotFiniteError
from .recipe import Recipe
from .trainee import Trainee

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 80
LOWEST, HIGHEST = 1e-6, 1e-1
BATCHES = 4
"""Steps after which the same batches come again."""
SHARE = 1 / 3
"""Of the rate at the lowest loss. The test is near that rate for a few steps, and a run near its peak for many, where
less will do."""
_DIVERGED = 1.5
"""Times the lowest loss at which the test ends."""
_LEARNED = 0.995
"""Times the first loss that the lowest has to be below, or nothing was learned at any rate."""


def rate_at(step: int) -> float:
    """The learning rate of a step, from 0."""
    return LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """The losses of a range test, and the learning rate that follows."""

    rates: tuple[float, ...]
    """Of each step; the last may be below ``HIGHEST``, where the test ended early."""
    losses: tuple[float, ...]
    """Of each step, over the first loss of the same batch."""

    @cached_property
    def smoothed(self) -> list[tuple[float, float]]:
        """Rate and loss, each as the mean of as many steps as there are batches; of rates the geometric mean."""
        windows = [slice(start, start + BATCHES) for start in range(len(self.losses) - BATCHES + 1)]
        return [
            (math.exp(sum(map(math.log, self.rates[own])) / BATCHES), sum(self.losses[own]) / BATCHES)
            for own in windows
        ]

    @property
    def lowest(self) -> tuple[float, float]:
        """The rate where the smoothed loss is lowest, and that loss."""
        return min(self.smoothed, key=lambda point: point[1])

    @property
    def diverged(self) -> bool:
        """Whether the loss has risen so far that higher rates needn't be tried."""
        return self.smoothed[-1][1] > _DIVERGED * self.lowest[1] if len(self.losses) >= BATCHES else False

    @property
    def rate(self) -> float:
        """The learning rate to train with, to two digits.

        Raises:
            TrainingError: the loss fell at no rate.
        """
        if len(self.losses) < BATCHES or self.lowest[1] > _LEARNED:
            raise TrainingError(
                f"The search found no learning rate: from {LOWEST:g} to {self.rates[-1]:.2g} the loss didn't fall.",
                expected="a loss that falls at some rate",
                hint="write the learning rate as a number; 1e-4 is usual.",
            )
        return float(f"{SHARE * self.lowest[0]:.2g}")

    def in_words(self) -> str:
        """What was found, in a sentence."""
        at, loss = self.lowest
        return (
            f"learning rate {self.rate:g}, found by a range test of {len(self.losses)} steps: a third of {at:.2g}, "
            f"where the loss was lowest ({loss:.0%} of the first)."
        )

    def facts(self) -> dict[str, Any]:
        """As plain values, for reports and the header of a file."""
        at, loss = self.lowest
        return {
            "method": "range_test", "learning_rate": self.rate, "lowest_at": float(f"{at:.3g}"),
            "lowest_loss": float(f"{loss:.3g}"), "from": self.rates[0], "to": self.rates[-1], "steps": len(self.rates),
        }  # fmt: skip

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_text(text: str | None) -> RangeTest | None:
        """What :meth:`to_text` gave; ``None`` if it is something else."""
        try:
            read = json.loads(text or "")
            return RangeTest(rates=tuple(read["rates"]), losses=tuple(read["losses"]))
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class Repeated:
    """A loss whose steps come again, with the same pictures, captions, noise and noise levels."""

    loss: Loss
    period: int = BATCHES

    @property
    def micro_batches(self) -> int:
        return self.loss.micro_batches

    @property
    def parts(self) -> tuple[str, ...]:
        return self.loss.parts

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        return self.loss.of_micro_batch(step % self.period, micro)


def trial_recipe(recipe: Recipe) -> Recipe:
    """The recipe of the steps of a range test: ``HIGHEST`` as its learning rate, that of the text encoder in the same
    proportion, and none of what only matters for whole runs."""
    own = recipe.optimizer
    return recipe.changed(
        steps=STEPS, epochs=0.0, learning_rate=HIGHEST, schedule="constant", warmup_steps=0, ema_decay=0.0,
        text_encoder_learning_rate=own.text_encoder_learning_rate * HIGHEST / own.learning_rate, rate_search="none",
        save_every=STEPS, snapshot_steps=(), snapshot_every=0, snapshot_epochs=0.0, sample_every=0,
        early_stop=0,
    )  # fmt: skip


def range_test(
    backbone: Backbone,
    trainee: Trainee,
    recipe: Recipe,
    loss: Loss,
    need_less_memory: Callable[[], str] | None = None,
) -> Generator[Event, None, RangeTest]:
    """Try learning rates on a trainee, which has its first values again afterwards.

    Args:
        backbone: the base model.
        trainee: what will be trained.
        recipe: from :func:`trial_recipe`.
        loss: of the run.
        need_less_memory: as for a ``Trainer``.

    Raises:
        TrainingError: the first step has no finite loss, or runs out of memory.
    """
    first = {name: parameter.detach().clone() for name, parameter in trainee.parameters.items()}
    trainer = Trainer(
        backbone=backbone, trainee=trainee, recipe=recipe, loss=Repeated(loss), state_path=None, ahead=0,
        need_less_memory=need_less_memory, factor=lambda step: rate_at(step) / recipe.optimizer.learning_rate,
    )  # fmt: skip
    test = _measured([])
    try:
        with contextlib.closing(trainer.run()) as events:
            for event in events:
                if not isinstance(event, StepDone):
                    yield event
                    continue
                yield Progress(done=event.step, total=STEPS, label="learning rates")
                test = _measured(trainer.losses)
                if test.diverged:
                    break
    except NotFiniteError:
        if not test.losses:
            raise
    finally:
        trainee.load(first)
    return test


def _measured(losses: Sequence[float]) -> RangeTest:
    return RangeTest(
        rates=tuple(map(rate_at, range(len(losses)))),
        losses=tuple(loss / (losses[step % BATCHES] or 1.0) for step, loss in enumerate(losses)),
    )

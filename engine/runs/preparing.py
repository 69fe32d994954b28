"""What a training needs before its first step: data sets encoded, and trainee, memory plan and loss in place."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from ..adapters.frozen import Frozen
from ..core.events import Event
from ..core.ranks import Ranks
from ..training.held import Budget
from ..training.loss import Loss, StepLoss
from ..training.noisy_ranks import with_noisy_ranks
from ..training.preservation import Preservation
from ..training.slider import MakeLoss
from ..training.trainee import MakeTrainee, Trainee
from ..training.training_set import TrainingSet, encode
from .caption_notes import tag_changes
from .inside import adapted_by, beside, on_text_encoders
from .key import Run
from .planning import LargestStep, Planned, encoded_largest_step, is_worth_counting
from .sharing import share_of
from .store import RunStore


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The data sets of a run, encoded."""

    subject: TrainingSet
    prior: TrainingSet | None
    as_slider: MakeLoss | None
    """Makes the loss one of a slider."""
    largest: LargestStep

    @property
    def side(self) -> int:
        """The longest side of a picture in latent pixels."""
        return max(encoded.side for encoded in (self.subject, self.prior) if encoded)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the steps of a run work on."""

    trainee: Trainee
    loss: Loss
    memory: Planned
    training_only: Frozen
    """The companions that are on while training only."""


def encoded(run: Run, store: RunStore, ranks: Ranks) -> Generator[Event, None, Encoded]:
    """Encode what a run shows the base model; of several processes each encodes a share first."""
    if ranks.count > 1:
        yield from ranks.together(_encode_sets(share_of(run, ranks), store, Budget(0)))
    budget = Budget.of_free_memory()
    subject, prior = yield from _encode_sets(run, store, budget)
    as_slider = yield from _encode_slider(run, store, budget)
    largest = yield from encoded_largest_step(run, store, counts=is_worth_counting(run))
    return Encoded(subject=subject, prior=prior, as_slider=as_slider, largest=largest)


@contextlib.contextmanager
def prepared(run: Run, made: Encoded, make: MakeTrainee) -> Iterator[Prepared]:
    """Trainee, memory plan and loss, in place for the block."""
    base = run.base
    if not run.recipe.adapter.train_text_encoder:
        base.release_encoders()
    side = base.info.latent_factor * made.side
    with base.training(run.batch, side), beside(run) as training_only, make() as trainee:
        memory = Planned(step=made.largest, trainee=trainee)
        loss = _loss(run, made.subject, made.prior, trainee)
        yield Prepared(
            trainee=trainee,
            loss=made.as_slider(loss, trainee) if made.as_slider else loss,
            memory=memory,
            training_only=training_only,
        )


def _loss(run: Run, subject: TrainingSet, prior: TrainingSet | None, trainee: Any) -> StepLoss:
    recipe, backbone, held = run.recipe, run.base, None
    if run.trains_adapter:
        backbone = with_noisy_ranks(run.base, recipe.adapter)
        held = Preservation.of(
            recipe.prior, subject, backbone=backbone, injection=trainee,
            trains_text_encoder=recipe.adapter.train_text_encoder,
        )  # fmt: skip
    return StepLoss(
        backbone=backbone, recipe=recipe, subject=subject, prior=prior, seed=run.seed, preservation=held
    )  # fmt: skip


def _encode_sets(
    run: Run, store: RunStore, budget: Budget
) -> Generator[Event, None, tuple[TrainingSet, TrainingSet | None]]:
    recipe, sets = run.recipe, []
    stack = run.bound_companions.while_training
    for dataset in (run.dataset, run.regularization):
        if dataset is None:
            sets.append(None)
            continue
        events = encode(
            run.base,
            dataset,
            recipe.batches.resolution,
            store.encoded,
            embed=not recipe.adapter.train_text_encoder,
            changes=tag_changes(recipe),
            adapted=adapted_by(stack),
            budget=budget,
            preserved=recipe.prior if dataset is run.dataset else None,
        )
        with on_text_encoders(run, stack):
            sets.append((yield from events))
    return sets[0], sets[1]


def _encode_slider(run: Run, store: RunStore, budget: Budget) -> Generator[Event, None, MakeLoss | None]:
    if run.slider is None:
        return None
    stack = run.bound_companions.while_training
    with on_text_encoders(run, stack):
        events = run.slider.encoded(
            run.base, run.recipe.batches.resolution, store.encoded, adapted=adapted_by(stack), budget=budget
        )
        return (yield from events)

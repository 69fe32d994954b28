"""The picture board of a data set: short trainings that leave out a part each, and what they make of every picture."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from ..adapters.adapter import Adapter
from ..adapters.applying import applied
from ..adapters.stack import Stack, StackEntry
from ..core.events import Event, Message
from ..core.keys import content_key
from ..data.dataset import Dataset
from ..evaluation.board import Board, board
from ..evaluation.draws import BANDS
from ..evaluation.evidence import Evidence
from ..evaluation.folds import folds, without
from ..evaluation.picture_losses import DRAWS, PictureLosses, picture_losses
from ..evaluation.predicting import Predictor
from ..models.contract import Backbone
from ..training.epochs import in_steps
from ..training.recipe import Recipe
from ..training.settings import MeasuringSettings, SampleSettings, SavingSettings
from ..training.training_set import encode
from .inside import adapted_by
from .key import Run
from .processes import train_on_devices
from .store import RunStore

SHARE = 0.25
"""Of a recipe's steps, that each training for the board has by default: what pictures have in common is learned first,
and what is each one's own later (Arpit et al. 2017, arXiv:1706.05394)."""


@dataclass(frozen=True, kw_only=True)
class BoardSettings:
    """How a board is made."""

    count: int = 3
    """Folds."""
    steps: int = 0
    """Of each training; 0 for ``SHARE`` of the recipe's."""
    seed: int = 0

    def recipe(self, recipe: Recipe, dataset: Dataset) -> Recipe:
        """That of the trainings: shorter, and without what only matters to whoever uses their adapters."""
        whole = in_steps(recipe, dataset)
        steps = self.steps or max(1, round(whole.schedule.steps * SHARE))
        short = whole.changed(
            steps=steps, epochs=0.0, warmup_steps=min(whole.schedule.warmup_steps, steps // 4), ema_decay=0.0
        )
        saving = SavingSettings(save_every=whole.saving.save_every)
        return replace(short, samples=SampleSettings(), saving=saving, measuring=MeasuringSettings())


def picture_board(
    base: Backbone, dataset: Dataset, recipe: Recipe, *, store: RunStore, settings: BoardSettings | None = None
) -> Generator[Event, None, Board]:
    """Give each picture of a data set its place, by trainings that have seen it and one that hasn't.

    The trainings are kept in the run store like any others, and what was measured of them too.

    Args:
        base: left unchanged, even after an error or a cancel.
        dataset: every picture needs a caption.
        recipe: of the training that the data set is for.
        store: where trainings and measures are kept.
        settings: how many trainings, and how long.

    Raises:
        DatasetError: there are too few pictures.
        ConfigError: there can't be so many folds.
        CaptionError: a caption is missing, or lacks the trigger word.
        TrainingError: a loss isn't finite.
        StorageError: results can't be written.
    """
    settings = settings or BoardSettings()
    fold = folds(dataset, settings.count, settings.seed)
    shown = replace(dataset, records=tuple(
        replace(record, crops=record.crops[:1], augmentation=None, repeats=1) for record in dataset
    ))  # fmt: skip
    short = settings.recipe(recipe, dataset)
    Run(base=base, dataset=dataset, recipe=short, regularization=None, seed=settings.seed).check()
    yield Message(text=f"{dataset.name}: {settings.count} trainings of {short.schedule.steps} steps for the board")
    measure = _Measuring(base, shown, short, store, settings.seed)
    alone = yield from measure.losses(None, "measuring the base model")
    by_fold = []
    for left_out in range(settings.count):
        name = f"{dataset.name} without part {left_out + 1}"
        trained = yield from train_on_devices(
            base, without(dataset, fold, left_out), short, seed=settings.seed, store=store, name=name
        )
        by_fold.append((yield from measure.losses(trained.adapter, f"measuring {name}")))
    return board([
        Evidence(
            name=record.name, content_hash=record.content_hash, base=alone[number],
            unseen=by_fold[fold[number]][number],
            seen=_mean([losses[number] for own, losses in enumerate(by_fold) if own != fold[number]]),
        )
        for number, record in enumerate(dataset)
    ])  # fmt: skip


@dataclass(frozen=True)
class _Measuring:
    """Measures all pictures with one adapter after the other."""

    base: Backbone
    dataset: Dataset
    recipe: Recipe
    store: RunStore
    seed: int

    def losses(self, adapter: Adapter | None, label: str) -> Generator[Event, None, Sequence[PictureLosses]]:
        """Of every picture, with this adapter or none, from the run store where it has them."""
        key = self._key(adapter)
        if (known := _read(self.store.boards.get(key), len(self.dataset))) is not None:
            return known
        stack = Stack((StackEntry(adapter),)) if adapter else Stack()
        with applied(self.base, stack):
            encoded = yield from encode(
                self.base, self.dataset, self.recipe.batches.resolution or self.base.info.resolution,
                self.store.encoded, embed=True, adapted=adapted_by(stack),
            )  # fmt: skip
            predictor = Predictor(
                backbone=self.base, batch=self.recipe.batches.batch_size, guidance=self.recipe.loss.told_guidance
            )
            made = yield from picture_losses(predictor, encoded, self.dataset.records, seed=self.seed, label=label)
        self.store.boards.put(key, json.dumps([[own.told, own.untold] for own in made]))
        return made

    def _key(self, adapter: Adapter | None) -> str:
        return content_key(
            "picture losses", self.base.info.content_hash, f"{self.base.device.type} {self.base.dtype}",
            self.dataset.content_hash, self.recipe.batches.resolution, self.recipe.loss.told_guidance,
            adapter.content_hash if adapter else "", self.seed, DRAWS, BANDS,
        )  # fmt: skip


def _read(text: str | None, count: int) -> list[PictureLosses] | None:
    """What was kept; ``None`` if that is nothing, or damaged."""
    try:
        pairs = json.loads(text or "")
        known = [PictureLosses(told=tuple(told), untold=tuple(untold)) for told, untold in pairs]
    except (ValueError, TypeError):
        return None
    return known if len(known) == count else None


def _mean(losses: Sequence[PictureLosses]) -> PictureLosses:
    """The mean of each band."""
    told, untold = ([*zip(*kind, strict=True)] for kind in zip(*((o.told, o.untold) for o in losses), strict=True))
    return PictureLosses(
        told=tuple(sum(own) / len(own) for own in told), untold=tuple(sum(own) / len(own) for own in untold)
    )

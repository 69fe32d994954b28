"""What a run measures of itself: which pictures, how well, and the figures in the run store."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..core.events import Event
from ..core.keys import content_key
from ..core.ranks import Ranks
from ..core.seeds import derived_seed
from ..core.words import counted, first_of
from ..data.class_captions import trigger_of, without_trigger
from ..data.dataset import Dataset, ImageRecord
from ..evaluation.draws import BANDS
from ..evaluation.figures import Figures
from ..evaluation.measuring import MeasuredSet, Measurer
from ..evaluation.planning import MeasuringPlan, measured_steps, measuring_plan, passes_between
from ..evaluation.predicting import Predictor
from ..evaluation.sample_course import SampleCourse
from ..training.recipe import Recipe
from ..training.training_set import TrainingSet, encode
from .inside import adapted_by, on_text_encoders
from .key import Run
from .store import RunStore

Measure = Callable[[int], Generator[Event, None, Figures]]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What will be measured of a run whose recipe asks for it."""

    run: Run
    processes: int
    """That train it together."""

    @cached_property
    def plan(self) -> MeasuringPlan:
        """How many pictures are measured, and how well."""
        run, recipe = self.run, self.run.recipe
        contrasted = recipe.batches.batch_size if recipe.loss.contrastive_guidance != 1 else 0
        snapshots = len(measured_steps(recipe, run.dataset))
        passes = passes_between(
            recipe, snapshots, trained=run.batch, taught=run.taught + contrasted, processes=self.processes
        )  # fmt: skip
        return measuring_plan(
            held=len(run.held or ()), members=len(run.dataset), passes=passes, has_classes=bool(run.dataset.triggers)
        )

    @cached_property
    def records(self) -> list[ImageRecord]:
        """The pictures, training pictures first, each in one crop and without variants."""
        chosen = [*self._some(self.run.dataset, self.plan.members), *self._some(self.run.held or (), self.plan.held)]
        return [replace(record, crops=record.crops[:1], augmentation=None, repeats=1) for record in chosen]

    @cached_property
    def key(self) -> str:
        """Content hash of what is measured, and how."""
        identities = [record.identity() for record in self.records]
        return content_key("figures", identities, self.plan.members, self.plan.draws, self.plan.drifting, BANDS)

    def known(self, store: RunStore) -> tuple[Figures, ...]:
        """The figures that the run store has, by step; with ``early_stop`` only those that the run takes itself, so
        that what earlier runs of other lengths have left doesn't matter."""
        found = kept_figures(store, self.run.lineage, self.run.recipe, self.key)
        if not self.run.recipe.measuring.early_stop:
            return found
        own = {*measured_steps(self.run.recipe, self.run.dataset)}
        return tuple(figures for figures in found if figures.step in own)

    def encoded(self, store: RunStore) -> Generator[Event, None, MeasuredSet]:
        """The pictures as tensors."""
        whole = replace(self.run.dataset, records=tuple(self.records))
        own = yield from self._encode(whole, store)
        of_class = None
        if self.plan.drifting:
            some = replace(whole, records=whole.records[: self.plan.drifting])
            of_class = yield from self._encode(some.with_captions(_of_the_class(some)), store)
        return MeasuredSet(records=self.records, members=self.plan.members, encoded=own, of_class=of_class)

    def _encode(self, dataset: Dataset, store: RunStore) -> Generator[Event, None, TrainingSet]:
        run, stack = self.run, self.run.bound_companions.while_training
        with on_text_encoders(run, stack):
            return (
                yield from encode(
                    run.base, dataset, run.recipe.batches.resolution, store.encoded,
                    embed=not run.recipe.adapter.train_text_encoder, adapted=adapted_by(stack),
                )
            )  # fmt: skip

    def _some(self, dataset: Iterable[ImageRecord], count: int) -> Sequence[ImageRecord]:
        """So many pictures, chosen as if drawn, but by the seed and their content alone."""
        return sorted(dataset, key=lambda own: derived_seed(self.run.seed, "measured", own.content_hash))[:count]


def kept_figures(store: RunStore, lineage: str, recipe: Recipe, key: str | None = None) -> tuple[Figures, ...]:
    """The figures that the run store has of a run, also those of runs of other lengths that began alike, by step.

    Args:
        store: where they are.
        lineage: of the run.
        recipe: of the run, with its length in steps.
        key: of what was measured, and how; by default any.
    """
    found = {}
    for step, steps, path in store.all_figures(lineage):
        if steps == recipe.schedule.steps or recipe.starts_alike(steps, step):
            found[step] = Figures.load(path, key) or found.get(step)
    return tuple(figures for figures in found.values() if figures)


def kept_course(store: RunStore, lineage: str, steps: int) -> SampleCourse | None:
    """What was found when the snapshots of a run were last compared; ``None`` if they never were.

    Args:
        store: where that is.
        lineage: of the run.
        steps: that it has; of one that ended early, those that it has had.
    """
    return SampleCourse.load(store.compared(lineage, steps))


def measures_of(run: Run, ranks: Ranks) -> Measures | None:
    """What will be measured of a run; ``None`` if its recipe asks for nothing.

    With ``early_stop``, the figures decide how many steps there are, so they mustn't depend on the number of processes.
    """
    settings = run.recipe.measuring
    return Measures(run=run, processes=1 if settings.early_stop else ranks.count) if settings.measures else None


def figures_of(run: Run, store: RunStore, ranks: Ranks) -> tuple[Figures, ...]:
    """The figures that the run store has of a run, by step; none if its recipe doesn't ask for them."""
    measures = measures_of(run, ranks)
    return measures.known(store) if measures else ()


def measuring_notes(run: Run, ranks: Ranks) -> Iterator[str]:
    """What is held out, and what measuring costs where it is much."""
    if run.held:
        names = first_of([record.name for record in run.held])
        yield f"Held out of the training: {counted(len(run.held), 'picture')} ({names}); {len(run.dataset)} are left."
    measures = measures_of(run, ranks)
    if measures and measures.plan.is_dear:
        yield (
            f"Measuring takes more than usual: {measures.plan.in_words()} between two snapshots. Fewer pictures would "
            "tell nothing; take fewer snapshots to spend less."
        )


def first_unmeasured(run: Run, store: RunStore, ranks: Ranks, last: int) -> int | None:
    """The first step up to ``last`` whose figures the recipe of a run asks for, and the run store doesn't have."""
    measures = measures_of(run, ranks)
    if measures is None:
        return None
    known = {figures.step for figures in measures.known(store)}
    wanted = (step for step in measured_steps(run.recipe, run.dataset) if step <= last)
    return next((step for step in wanted if step not in known), None)


def _of_the_class(dataset: Dataset) -> list[str]:
    """The captions without their trigger words."""
    triggers = [trigger_of(record, dataset) for record in dataset]
    return [
        without_trigger(record.caption or "", trigger) if trigger else record.caption or ""
        for record, trigger in zip(dataset, triggers, strict=True)
    ]


def measuring(run: Run, store: RunStore, ranks: Ranks) -> Generator[Event, None, Callable[[Any], Measure] | None]:
    """Encode what is measured; gives what makes the measuring of an adapter in training, or ``None``.

    Only the first process measures, while the others wait for it at the next step.
    """
    measures = measures_of(run, ranks) if ranks.leads else None
    if measures is None:
        return None
    shown = yield from measures.encoded(store)

    def of(injection: Any) -> Measure:
        predictor = Predictor(backbone=run.base, batch=run.batch, guidance=run.recipe.loss.told_guidance)
        measurer = Measurer(
            predictor=predictor, injection=injection, shown=shown, seed=run.seed, draws=measures.plan.draws
        )  # fmt: skip

        def measure(step: int) -> Generator[Event, None, Figures]:
            path = store.figures(run.lineage, step, run.recipe.schedule.steps)
            if (known := Figures.load(path, measures.key)) is not None:
                return known
            figures = yield from measurer.figures(step, measures.key)
            figures.save(path)
            return figures

        return measure

    return of

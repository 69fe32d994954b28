"""The training loop, as a stream of events."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.devices import is_out_of_memory
from ..core.errors import TrainingError
from ..core.events import Event, Message, SamplesGenerated, SnapshotMeasured, SnapshotSaved, StateSaved, StepDone
from ..core.ranks import Ranks
from ..models.contract import Backbone
from .loss import Loss
from .optimizing import Launched, Optimization
from .recipe import Recipe
from .state import TrainingState
from .trainee import Trainee

if TYPE_CHECKING:
    from PIL import Image


@dataclass(kw_only=True)
class Trainer:
    """One run in progress on one base model."""

    backbone: Backbone
    trainee: Trainee
    recipe: Recipe
    loss: Loss
    state_path: Path | None
    """Where the training state is saved; ``None`` in processes that follow another one."""
    generate_samples: Callable[[], Sequence[tuple[str, Image.Image]]] | None = None
    """Gives each sample picture with its prompt."""
    snapshots: Collection[int] = ()
    """The steps after which a snapshot is due."""
    keep_snapshot: Callable[[int, Any], Any] | None = None
    """Saves a snapshot, given the step and ``Trainee.result()``; at the step that a run resumes at, once more."""
    wants_samples: Callable[[], bool] | None = None
    """Whether sample pictures shall be drawn after the step that was just begun, due or not; asked in each."""
    wants_snapshot: Callable[[], bool] | None = None
    """The same of a snapshot."""
    wants_stop: Callable[[], bool] | None = None
    """Whether the run shall end after the step that was just begun; asked in each."""
    measure: Callable[[int], Generator[Event, None, Any]] | None = None
    """Measures what is trained, given the step, and keeps the figures that it returns."""
    measured_steps: Collection[int] = ()
    """Steps after which it is called; at the step that a run resumes at, once more, as with snapshots."""
    has_settled: Callable[[int], bool] | None = None
    """Whether the run shall end after a step that was just measured, as more steps would tell nothing new; asked in the
    process that leads."""
    may_settle_at: Collection[int] = ()
    """Steps after which it is asked; at the step that a run resumes at, once more."""
    need_less_memory: Callable[[], str] | None = None
    """Called when a step runs out of memory, before it is repeated; says what it did. Raises if nothing is left."""
    ahead: int | None = None
    """Steps given to the device before the loss of the first of them is read; by default 1 on CUDA, where the host
    prepares a step while the device works on another, and 0 elsewhere."""
    ranks: Ranks = field(default_factory=Ranks)
    """The processes that train together."""
    factor: Callable[[int], float] | None = None
    """Gives the factor of the learning rates at a step; by default the recipe's schedule."""
    step: int = 0
    """Steps done whose losses are known."""
    losses: list[float] = field(default_factory=list)
    stopped: bool = False
    """Whether it ended early, as asked, with its state saved."""
    settled: bool = False
    """Whether it ended early by itself, with its state saved."""
    parts: dict[str, list[float]] = field(default_factory=dict)
    """Part of the loss -> its value at each step, which add up to ``losses``; empty if there is one part alone."""
    _launched: deque[Launched] = field(default_factory=deque, init=False)
    _asked: tuple[bool, bool] = field(default=(False, False), init=False)
    """Whether sample pictures, and a snapshot, were asked for after the newest step."""
    _since: float = field(default=0.0, init=False)
    """When the latest step was done, or its work began."""

    def run(self, start: TrainingState | None = None) -> Generator[Event, None, None]:
        """Train up to the recipe's steps. If the run ends earlier, the state after the last complete step is saved.

        Args:
            start: the state to resume from, or ``None`` to train from the start.

        Raises:
            TrainingError: a loss isn't finite, or gradients overflow at every step.
            StorageError: a training state can't be written.
        """
        steps = self.recipe.schedule.steps
        optimization = Optimization(self.backbone, self.trainee, self.recipe, self.loss, self.ranks, self.factor)
        if start is not None:
            self._resume(start, optimization)
            yield from self._snapshot_and_measures(optimization)  # it may have been cut off before, or in them
            self.settled = self._has_settled()
        saved, ahead = self.step, self._ahead(optimization)
        self._since = time.monotonic()
        try:
            while self.step < steps and not (self.stopped or self.settled):
                yield from self._launch(optimization)
                newest = self.step + len(self._launched)
                self.stopped = self._shall_stop() and newest < steps
                self._asked = self._requests()
                waits = self._saves(newest) or self._shows(newest) or newest in self.may_settle_at
                while len(self._launched) > (0 if waits else ahead):
                    yield self._read()
                if not waits:
                    continue
                if self._shows(self.step):
                    yield from self._samples(optimization)
                    yield from self._snapshot_and_measures(optimization)
                self.settled = self._has_settled()
                self.stopped = self.stopped and not self.settled
                if self._saves(self.step):
                    yield from self._saved(optimization)
                    saved = self.step
                self._since = time.monotonic()
        except (KeyboardInterrupt, SystemExit):  # may interrupt the optimizer halfway through its update
            raise
        except BaseException:  # closed between two steps, or stopped within one, which is then done again
            self._finish(optimization, saved)
            raise
        optimization.show_weights()
        if optimization.overflows:
            yield Message(text=f"{optimization.overflows} steps were skipped: their gradients overflowed float16.")

    def _resume(self, start: TrainingState, optimization: Optimization) -> None:
        optimization.resume(start)
        self.step, self.losses = start.step, list(start.losses)
        self.parts = {name: list(values) for name, values in start.parts.items()}

    def _ahead(self, optimization: Optimization) -> int:
        if not optimization.skips_by_itself:
            return 0
        return (1 if self.backbone.device.type == "cuda" else 0) if self.ahead is None else self.ahead

    def _launch(self, optimization: Optimization) -> Generator[Event, None, None]:
        """Give the device one step, again after having made room if it runs out of memory."""
        step, losses = self.step + len(self._launched), None
        while losses is None:
            try:
                losses = optimization.gradients(step)
            except RuntimeError as error:
                if self.need_less_memory is None or not is_out_of_memory(error):
                    raise
            if losses is None:  # outside the handler, where the error no longer holds the tensors of the step
                optimization.forget_gradients()
                yield Message(text=self.need_less_memory())  # type: ignore[misc]
        self._launched.append(optimization.update(step, losses))

    def _read(self) -> StepDone:
        """Wait for the oldest launched step."""
        launched = self._launched.popleft()
        try:
            parts = launched.parts(self.step, self.recipe)
        except TrainingError:
            self._launched.clear()  # the parameters didn't move in this step, nor in any that came after it
            raise
        named = dict(zip(self.loss.parts, parts, strict=True))
        if len(named) > 1:
            for name, value in named.items():  # states from before a loss had parts have none of them
                self.parts.setdefault(name, [math.nan] * self.step).append(value)
        self.step += 1
        self.losses.append(sum(parts))
        began, self._since = self._since, time.monotonic()
        return StepDone(
            step=self.step,
            steps=self.recipe.schedule.steps,
            loss=self.losses[-1],
            parts=named,
            learning_rate=launched.learning_rate,
            seconds=self._since - began,
        )

    def _shall_stop(self) -> bool:
        """Whether this process, or the one that it follows, is asked to end the run."""
        return bool(self.ranks.meet(self.wants_stop is not None and self.wants_stop()))

    def _has_settled(self) -> bool:
        """Whether the process that leads knows that the run shall end after this step."""
        if self.step not in self.may_settle_at:
            return False
        return bool(self.ranks.meet(self.has_settled is not None and self.has_settled(self.step)))

    def _saves(self, step: int) -> bool:
        """Whether the training state is due after a step."""
        ends = self.stopped or self.settled or step == self.recipe.schedule.steps
        return ends or step % self.recipe.saving.save_every == 0

    def _shows(self, step: int) -> bool:
        """Whether sample pictures, a snapshot or measures are due after a step, or were asked for."""
        return self._draws(step) or self._keeps(step) or self._measures(step)

    def _requests(self) -> tuple[bool, bool]:
        """Whether sample pictures, and a snapshot, are asked for after the newest step; after the last one there is the
        result itself."""
        samples, snapshot = (wants is not None and wants() for wants in (self.wants_samples, self.wants_snapshot))
        return samples, snapshot and self.step + len(self._launched) < self.recipe.schedule.steps

    def _draws(self, step: int) -> bool:
        every, asked = self.recipe.samples.sample_every, self._asked[0]
        return self.generate_samples is not None and (asked or bool(every and step % every == 0))

    def _keeps(self, step: int) -> bool:
        return self.keep_snapshot is not None and (self._asked[1] or step in self.snapshots)

    def _measures(self, step: int) -> bool:
        return self.measure is not None and step in self.measured_steps

    def _samples(self, optimization: Optimization) -> Generator[Event, None, None]:
        """The sample pictures that are due after this step."""
        if self.generate_samples and self._draws(self.step):
            with optimization.shown_weights("samples"):
                prompts, images = zip(*self.generate_samples(), strict=True)
            yield SamplesGenerated(step=self.step, images=[*images], prompts=[*prompts])

    def _snapshot_and_measures(self, optimization: Optimization) -> Generator[Event, None, None]:
        """The snapshot and the measures that are due after this step, of the weights that files have."""
        if self.keep_snapshot and self._keeps(self.step):
            with optimization.shown_weights("files"):
                self.keep_snapshot(self.step, self.trainee.result())
            yield SnapshotSaved(step=self.step)
        if self.measure is not None and self._measures(self.step):
            with optimization.shown_weights("files"):
                figures = yield from self.measure(self.step)
            yield SnapshotMeasured(step=self.step, figures=figures)

    def _finish(self, optimization: Optimization, saved: int) -> None:
        """Save what a run has done that ends early."""
        with contextlib.suppress(TrainingError):  # it ends for another reason, which is told
            while self._launched:
                self._read()
        if self.step > saved:
            self._save(optimization)

    def _saved(self, optimization: Optimization) -> Generator[Event, None, None]:
        self._save(optimization)
        if self.state_path is not None:
            yield StateSaved(step=self.step, path=self.state_path)

    def _save(self, optimization: Optimization) -> None:
        if self.state_path is not None:
            optimization.captured(self.step, self.losses, self.parts).save(self.state_path)

"""A run as TensorBoard events: losses, learning rate, measures and sample pictures, by TensorBoard's own library.

Each time that a run goes on, the events of what it has done are written anew from what the run store knows, and those
of the steps to come after them: nothing comes twice, and a run that had none before has all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError, StorageError
from ..core.events import Event, SamplesGenerated, SnapshotMeasured, StepDone
from ..evaluation.figures import Figures
from .sample_files import KeptSamples

if TYPE_CHECKING:
    from PIL.Image import Image

_FILES = "events.out.tfevents.*"
_LONGEST = 80
"""Characters of a prompt that name its pictures."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What is known of the steps that a run has done."""

    losses: Sequence[float] = ()
    """One per step."""
    parts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Part of the losses -> its value at each step; empty if there is one part alone."""
    figures: Sequence[Figures] = ()
    samples: Sequence[KeptSamples] = ()

    def up_to(self, step: int) -> History:
        """The same without what is known of later steps."""
        return History(
            losses=self.losses[:step],
            parts={name: values[:step] for name, values in self.parts.items()},
            figures=[own for own in self.figures if own.step <= step],
            samples=[own for own in self.samples if own.step <= step],
        )


def require_tensorboard() -> None:
    """Refuse to write events without TensorBoard's library.

    Raises:
        ConfigError: it isn't installed.
    """
    if find_spec("tensorboard") is None:
        raise ConfigError(
            "The recipe asks for TensorBoard events, and the library tensorboard isn't installed.",
            expected="tensorboard beside torch",
            hint='install it: pip install "lora-workbench[tensorboard]", or in ComfyUI\'s Python, pip install '
            "tensorboard; or set tensorboard = false, as the report of a run needs nothing.",
        )


def write_events(folder: Path, rates: Sequence[float], history: History) -> None:
    """Write the events of a run that isn't in progress, in the place of those that there are.

    Args:
        folder: of its own.
        rates: learning rate at each step; empty if they aren't known.
        history: what is known of it.

    Raises:
        ConfigError: TensorBoard's library isn't installed.
        StorageError: the folder can't be written.
    """
    with _opened(folder, rates) as writer:
        writer.tell(history)


def writing_events(
    events: Iterable[Event], folder: Path, rates: Sequence[float], history: History
) -> Generator[Event, None, None]:
    """The same events of a run that goes on; they are written after those of what it has done.

    Args:
        events: as of ``Trainer.run``, which tells the measures of the step that it resumes at once more.
        folder: as for :func:`write_events`, as are ``rates``, ``history`` and the errors.
        rates: also of the steps to come.
        history: of the steps that are done, as many as it has losses.
    """
    history = history.up_to(len(history.losses))
    measured = {own.step for own in history.figures}
    with _opened(folder, rates) as writer:
        writer.tell(history)
        for event in events:
            if not (isinstance(event, SnapshotMeasured) and event.step in measured):
                writer.see(event)
            yield event


@contextlib.contextmanager
def _opened(folder: Path, rates: Sequence[float]) -> Iterator[_Writer]:
    require_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob(_FILES):
            file.unlink()
        summary = SummaryWriter(str(folder), purge_step=0)  # a TensorBoard that is open forgets what it had read
    except OSError as error:
        raise StorageError(
            f"TensorBoard events can't be written to {folder}: {error.strerror}", hint="free the disk, or its folder."
        ) from error
    with contextlib.closing(summary):
        yield _Writer(summary, rates)


@dataclass(frozen=True)
class _Writer:
    summary: Any
    """A ``SummaryWriter``."""
    rates: Sequence[float]

    def tell(self, history: History) -> None:
        """Write what is known of the steps that are done."""
        for number, loss in enumerate(history.losses):
            parts = {name: values[number] for name, values in history.parts.items() if number < len(values)}
            self._step(number + 1, loss, parts)
        for figures in history.figures:
            self._figures(figures)
        for kept in history.samples:
            self._samples(kept.step, kept.prompts, _read(kept.files))

    def see(self, event: Event) -> None:
        """Write what has just been done."""
        if isinstance(event, StepDone):
            self._step(event.step, event.loss, event.parts)
        elif isinstance(event, SnapshotMeasured):
            self._figures(event.figures)
        elif isinstance(event, SamplesGenerated):
            self._samples(event.step, event.prompts, event.images)

    def _step(self, step: int, loss: float, parts: Mapping[str, float]) -> None:
        self.summary.add_scalar("training/loss", loss, step)
        for name, value in parts.items() if len(parts) > 1 else ():
            self.summary.add_scalar(f"training/loss of {name}", value, step)
        if self.rates:
            self.summary.add_scalar("training/learning rate", self.rates[step - 1], step)

    def _figures(self, figures: Figures) -> None:
        measured = {
            "loss of training pictures": figures.training_loss,
            "loss of held-out pictures": figures.held_loss,
            "memorisation, AUC": figures.membership.auc if figures.membership else None,
            "drift": figures.drift,
        }
        for name, value in measured.items():
            if value is not None:
                self.summary.add_scalar(f"measures/{name}", value, figures.step)

    def _samples(self, step: int, prompts: Sequence[str], images: Iterable[Image]) -> None:
        import numpy as np

        for number, (prompt, image) in enumerate(zip(prompts, images, strict=True), 1):
            pixels = np.asarray(image.convert("RGB"))
            self.summary.add_image(f"samples/{number} {prompt[:_LONGEST]}", pixels, step, dataformats="HWC")


def _read(files: Iterable[Path]) -> Iterator[Image]:
    from PIL import Image

    for file in files:
        with Image.open(file) as image:
            yield image.convert("RGB")

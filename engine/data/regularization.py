"""Regularization sets: captions of the class without the trigger word, and how they weigh beside the subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.errors import CaptionError, DatasetError
from .dataset import Dataset, TriggerWord
from .trigger_word import has_trigger


def class_prompts(written: Sequence[str], trigger: TriggerWord | None) -> tuple[str, ...]:
    """The prompts that name the class: those written, or else the trigger's template with the class word alone."""
    if written:
        return tuple(written)
    return (replace(trigger, word="").phrase(),) if trigger and trigger.class_word else ()


def regularization_set(parts: Sequence[Dataset], prompts: Sequence[str], trigger: TriggerWord | None) -> Dataset:
    """The class pictures of all parts as one set; those without a caption get the prompts in turn.

    Raises:
        DatasetError: there is no picture.
        CaptionError: a caption is missing and there is no prompt, or one holds the subject's trigger word.
    """
    records = [record for part in parts for record in part]
    if not records:
        raise DatasetError(
            "There are no regularization pictures.",
            expected="a folder or data set of class pictures, or a base model to draw them with",
            hint="connect one of them, and ask for a count above 0 if the base model should draw.",
        )
    bare = [record.name for record in records if not (record.caption or "").strip()]
    if bare and not prompts:
        raise CaptionError(
            f"{len(bare)} class pictures have no caption: {_some(bare)}",
            expected="a caption for each, or a class prompt",
            hint="write a prompt such as: a photo of a dog.",
        )
    captioned = tuple(
        record if (record.caption or "").strip() else replace(record, caption=prompts[number % len(prompts)])
        for number, record in enumerate(records)
    )
    named = [r.name for r in captioned if trigger and has_trigger(r.caption or "", trigger)]
    if trigger and named:
        raise CaptionError(
            f"The trigger word {trigger.word!r} is in the captions of {len(named)} class pictures: {_some(named)}",
            expected="captions of the class alone",
            hint="take the trigger word out: these pictures keep what it doesn't call as it is.",
        )
    skipped = tuple(skipped for part in parts for skipped in part.skipped)
    return Dataset(name="regularization", records=captioned, skipped=skipped)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How often a run sees class pictures beside those of the subject; repeats count."""

    subject: int
    """Pictures of the subject in an epoch."""
    class_pictures: int
    batch_size: int
    """Of the subject, a step."""
    prior_batch_size: int
    """Of the class, a step."""
    draws: int
    """Batches in the run: steps times gradient accumulation."""

    @property
    def per_epoch(self) -> float:
        """Class pictures that pass by while each picture of the subject passes once."""
        return self.subject * self.prior_batch_size / self.batch_size

    @property
    def views(self) -> float:
        """How often the run sees each class picture on average."""
        return self.draws * self.prior_batch_size / self.class_pictures

    @property
    def unseen(self) -> int:
        """Class pictures that the run ends too early for."""
        return max(0, self.class_pictures - self.draws * self.prior_batch_size)

    def in_words(self) -> str:
        """For people; says what becomes of pictures that an epoch has no place for."""
        shown = (
            f"{self.class_pictures} class pictures beside {self.subject} of the subject. A step sees "
            f"{self.prior_batch_size} of the class with {self.batch_size} of the subject: {self.per_epoch:.3g} of the "
            f"class in an epoch of {self.subject} ({self.prior_batch_size / self.batch_size:.3g} to 1)."
        )
        if self.unseen:
            return (
                f"{shown} The whole run has place for {self.class_pictures - self.unseen}: {self.unseen} are never "
                "seen. Raise steps or prior_batch_size, or give fewer."
            )
        if self.class_pictures > self.per_epoch:
            later = self.class_pictures / self.per_epoch
            return f"{shown} The others come in later epochs, all within {later:.3g}; none is dropped." + self._views()
        return f"{shown} So each comes more than once in an epoch." + self._views()

    def _views(self) -> str:
        return f" The run sees each about {self.views:.3g} times."

"""Regularization sets: class pictures captioned without the trigger word, and how often a run sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.errors import CaptionError, DatasetError
from ..core.words import first_of
from .dataset import Dataset, TriggerWord


def class_prompts(written: Sequence[str], triggers: Sequence[TriggerWord]) -> tuple[str, ...]:
    """Prompts that name the classes: those written, or else the templates with class words and no trigger words."""
    if written:
        return tuple(written)
    return tuple(dict.fromkeys(replace(trigger, word="").phrase() for trigger in triggers if trigger.class_word))


def regularization_set(parts: Sequence[Dataset], prompts: Sequence[str], triggers: Sequence[TriggerWord]) -> Dataset:
    """The class pictures of all parts as one set; those without a caption get the prompts in turn.

    Raises:
        DatasetError: there is no picture.
        CaptionError: a caption is missing and there is no prompt, or a caption contains the subject's trigger word.
    """
    records = [record for part in parts for record in part]
    if not records:
        raise DatasetError(
            "There are no regularization pictures.",
            expected="a folder or data set of class pictures, or a base model to generate them with",
            hint="connect one of these; to generate pictures, set count above 0.",
        )
    bare = [record.name for record in records if not (record.caption or "").strip()]
    if bare and not prompts:
        raise CaptionError(
            f"{len(bare)} class pictures have no caption: {first_of(bare)}",
            expected="a caption for each, or a class prompt",
            hint="write a prompt such as: a photo of a dog.",
        )
    captioned = tuple(
        record if (record.caption or "").strip() else replace(record, caption=prompts[number % len(prompts)])
        for number, record in enumerate(records)
    )
    for trigger in triggers:
        named = [r.name for r in captioned if trigger.is_in(r.caption or "")]
        if not named:
            continue
        raise CaptionError(
            f"The trigger word {trigger.word!r} is in the captions of {len(named)} class pictures: {first_of(named)}",
            expected="captions of the class alone",
            hint="remove the trigger word: class pictures preserve what the model knows without it.",
        )
    return Dataset(
        name="regularization",
        records=captioned,
        skipped=tuple(skipped for part in parts for skipped in part.skipped),
        notes=tuple(note for part in parts for note in part.notes),
    )


def prompts_in_vain(written: Sequence[str], regularization: Dataset) -> str:
    """Says which of the written prompts no class picture has; empty if all are used."""
    captions = {record.caption for record in regularization}
    idle = [prompt for prompt in written if prompt not in captions]
    if not idle:
        return ""
    why = "there are fewer pictures without a caption of their own" if len(idle) < len(written) else "all have captions"
    return f"Prompts that no regularization picture got, as {why}: {first_of(idle)}"


def refuse_shared(subject: Dataset, regularization: Dataset) -> None:
    """Refuse a picture that is in both sets: it would be taught as the subject and kept as it was at once.

    Raises:
        DatasetError: files with the same content, by name.
    """
    of_class = {record.content_hash: record.name for record in regularization}
    shared = [f"{r.name} = {of_class[r.content_hash]}" for r in subject if r.content_hash in of_class]
    if shared:
        raise DatasetError(
            f"{len(shared)} pictures are in the data set and among the regularization pictures: {first_of(shared)}",
            expected="other pictures of the class, without the subject",
            hint="take them out of one of the two sets; perhaps one folder lies inside the other.",
        )


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How often a run sees class pictures compared with those of the subject; repeats count."""

    subject: int
    """Pictures of the subject in an epoch."""
    class_pictures: int
    batch_size: int
    """Pictures of the subject in a batch."""
    prior_batch_size: int
    """Class pictures in a batch."""
    batches: int
    """Batches in the run: steps times gradient accumulation."""

    @property
    def per_epoch(self) -> float:
        """Class pictures seen in one epoch of the subject's pictures."""
        return self.subject * self.prior_batch_size / self.batch_size

    @property
    def views(self) -> float:
        """How often the run sees each class picture on average."""
        return self.batches * self.prior_batch_size / self.class_pictures

    @property
    def unseen(self) -> int:
        """Class pictures that the run never sees, because it ends too early."""
        return max(0, self.class_pictures - self.batches * self.prior_batch_size)

    def in_words(self) -> str:
        """The ratio, and what happens to class pictures that don't fit into one epoch."""
        ratio = (
            f"{self.class_pictures} class pictures for {self.subject} of the subject. Each batch has "
            f"{self.prior_batch_size} of the class and {self.batch_size} of the subject, so an epoch of {self.subject} "
            f"sees {self.per_epoch:.3g} of the class ({self.prior_batch_size / self.batch_size:.3g} to 1)."
        )
        if self.unseen:
            return (
                f"{ratio} The whole run sees {self.class_pictures - self.unseen} of them: {self.unseen} are never "
                "seen. Raise steps or prior_batch_size, or use fewer."
            )
        if self.class_pictures > self.per_epoch:
            epochs = self.class_pictures / self.per_epoch
            rest = f"The others follow in later epochs, all within {epochs:.3g} epochs; none is dropped."
        else:
            rest = "Each is seen at least once per epoch."
        return f"{ratio} {rest} The run sees each about {self.views:.3g} times."

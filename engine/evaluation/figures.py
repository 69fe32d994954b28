"""What is measured of a snapshot, as values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..core.storage import write_json
from .membership import Membership, gains


@dataclass(frozen=True, kw_only=True)
class PictureFigures:
    """The denoising losses of one picture, by band of noise levels: plain mean squared errors of the prediction."""

    name: str
    content_hash: str
    held: bool
    """Whether it was held out of the training."""
    adapted: tuple[float, ...]
    """With the adapter."""
    base: tuple[float, ...]
    """Without it."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured of the adapter as it was after a step."""

    step: int
    key: str
    """Content hash of what was measured, and how. Figures with the same key can be compared."""
    pictures: tuple[PictureFigures, ...]
    membership: Membership | None
    """Memorisation; ``None`` where no pictures were held out."""
    drift: float | None
    """How far predictions for the captions of the class move from the base model's, over how far those for the
    captions themselves do: 0 if the adapter does nothing without its trigger word, 1 if it makes no difference.
    ``None`` where there is no trigger word."""

    @staticmethod
    def of(step: int, key: str, pictures: Sequence[PictureFigures], drift: float | None) -> Figures:
        """From the losses of the pictures."""
        own = gains([picture.adapted for picture in pictures], [picture.base for picture in pictures])
        told = list(zip(own, pictures, strict=True))
        membership = Membership.of(
            [gain for gain, picture in told if not picture.held], [gain for gain, picture in told if picture.held]
        )
        return Figures(step=step, key=key, pictures=tuple(pictures), membership=membership, drift=drift)

    @property
    def training_bands(self) -> tuple[float, ...]:
        """Mean loss of the training pictures with the adapter, by band from little to much noise."""
        return self._bands(held=False)

    @property
    def held_bands(self) -> tuple[float, ...]:
        """Mean loss of the held-out pictures with the adapter, by band; empty without any."""
        return self._bands(held=True)

    @property
    def training_loss(self) -> float:
        """Mean over the training pictures and bands."""
        return float(np.mean(self.training_bands))

    @property
    def held_loss(self) -> float | None:
        """Mean over the held-out pictures and bands; ``None`` without any."""
        return float(np.mean(self.held_bands)) if self.held_bands else None

    def base_loss(self, *, held: bool) -> float | None:
        """The mean loss of these pictures without the adapter; ``None`` without any."""
        bands = [picture.base for picture in self.pictures if picture.held is held]
        return float(np.mean(bands)) if bands else None

    def in_words(self) -> str:
        """For example ``loss 0.086 of training pictures, 0.228 of held-out ones; memorisation: AUC 0.97, p 0.004``."""
        held = f", {self.held_loss:.3g} of held-out ones" if self.held_loss is not None else ""
        own = self.membership
        memorised = f"; memorisation: AUC {own.auc:.2f}, p {own.p:.2g}" if own else ""
        drifted = f"; drift {self.drift:.2f}" if self.drift is not None else ""
        return f"loss {self.training_loss:.3g} of training pictures{held}{memorised}{drifted}"

    def to_json(self) -> dict[str, object]:
        """As plain values, with the means of training and held-out pictures beside what they are of."""
        means = {"training_loss": self.training_loss, "held_loss": self.held_loss}
        return asdict(self) | means

    @staticmethod
    def from_json(text: str) -> Figures | None:
        """From the text of :meth:`save`; ``None`` if it is damaged."""
        try:
            known = json.loads(text)
            pictures = tuple(
                PictureFigures(**{**own, "adapted": tuple(own["adapted"]), "base": tuple(own["base"])})
                for own in known["pictures"]
            )
            membership = Membership(**known["membership"]) if known["membership"] else None
            return Figures(
                step=known["step"], key=known["key"], pictures=pictures, membership=membership, drift=known["drift"]
            )
        except (ValueError, KeyError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Write a JSON file, atomically.

        Raises:
            StorageError: it can't be written.
        """
        write_json(path, self.to_json())

    @staticmethod
    def load(path: Path, key: str | None = None) -> Figures | None:
        """The figures of a file; ``None`` if there are none, damaged ones, or those of other measures than ``key``, if
        there is one."""
        try:
            known = Figures.from_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None
        return known if known and key in (None, known.key) else None

    def _bands(self, *, held: bool) -> tuple[float, ...]:
        losses = [picture.adapted for picture in self.pictures if picture.held is held]
        return tuple(np.mean(losses, axis=0).tolist()) if losses else ()

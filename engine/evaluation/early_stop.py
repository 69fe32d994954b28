"""When a run can end before its last step: its verdict has stayed as it is for some snapshots in a row.

Early stopping by patience (Prechelt 1998, "Early Stopping - But When?", criterion UP), on the verdict in place of a
loss: that of held-out pictures alone would stop far too early, see ``verdict.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.words import counted
from .figures import Figures
from .verdict import FEWEST, verdict


@dataclass(frozen=True, kw_only=True)
class EarlyEnd:
    """Where a run ends by its recipe's ``early_stop``, and why."""

    step: int
    """The last one."""
    best: int
    """Step of the snapshot to use."""
    over_fit_since: int | None
    """Step of the snapshot from which on the run over-fits, where that is the reason."""
    patience: int
    """Snapshots for which that has stayed so."""

    def in_words(self, steps: int) -> str:
        """The reason, and what it saves of a run of so many steps."""
        by_then = counted(self.patience, "more snapshot")
        if self.over_fit_since is not None:
            reason = f"it over-fits since step {self.over_fit_since}, and {by_then} didn't change that"
        else:
            reason = f"step {self.best} is still the one to use after {by_then}"
        spared = f"{counted(steps - self.step, 'step')} ({1 - self.step / steps:.0%})"
        return (
            f"Stopped early after step {self.step} of {steps}: {reason}. That saves {spared}; the adapter after step "
            f"{self.step} and the snapshots before it are kept."
        )


def early_end(measured: Sequence[Figures], patience: int) -> EarlyEnd | None:
    """The first snapshot after which the verdict had stayed as it was for ``patience`` more snapshots.

    Args:
        measured: figures of the first snapshots of a run, without a gap, by step.
        patience: 1 or more.

    Returns:
        ``None`` if the verdict still changes, so that the run goes on.
    """
    ends = range(fewest_snapshots(patience), len(measured) + 1)
    found = (_end_after(measured[:end], patience) for end in ends)
    return next((end for end in found if end is not None), None)


def fewest_snapshots(patience: int) -> int:
    """Snapshots without which a run can't end early."""
    return max(FEWEST, patience + 1)


def _end_after(measured: Sequence[Figures], patience: int) -> EarlyEnd | None:
    """The end of a run after the last of these snapshots, if it is one.

    From where a run over-fits, it ends though the pick may still move: it only fits its pictures more closely.
    """
    verdicts = [verdict(measured[: len(measured) - back]) for back in range(patience + 1)]
    picks = {found.best for found in verdicts if found}
    since = {found.over_fit_since for found in verdicts if found}
    over_fits = len(since) == 1 and None not in since
    if not over_fits and len(picks) > 1:
        return None
    last = verdicts[0]
    assert last is not None, "there are figures"
    return EarlyEnd(
        step=measured[-1].step,
        best=last.best,
        over_fit_since=last.over_fit_since if over_fits else None,
        patience=patience,
    )

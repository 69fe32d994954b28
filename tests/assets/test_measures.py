"""Memorisation as measured on the demo base: told of an adapter of three pictures, and not of a short run with more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.captions.templates import apply_trigger
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.evaluation.figures import Figures
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.suggestions import suggest, with_changes
from subject_figures import CLASS, WORD, finished

pytestmark = pytest.mark.proofs


def measured(root: Path, store: Path, *, trained: int | None = None, **changes: Any) -> tuple[Figures, ...]:
    """The figures of a run on the fox, with all pictures but the first ``trained`` held out, or a share of them."""
    trigger = TriggerWord(word=WORD, class_word=CLASS, template="an emoji of a {trigger} {class}")
    dataset = apply_trigger(load_dataset(root / "assets" / "datasets" / "fox"), trigger, "prepend")
    base = load_base(root / "assets" / "demo_base", device="cpu", precision="fp32")
    if trained is None:
        changes["held_out"] = 0.3
    else:
        changes["held_out_pictures"] = tuple(record.name for record in dataset.records[trained:])
    changes |= {"measures": True, "train_text_encoder": False}
    recipe = with_changes(suggest("subject", len(dataset), base.info), changes)
    return finished(train_adapter(base, dataset, recipe, seed=0, store=RunStore(store), name="fox")).figures


def test_an_adapter_that_repeats_its_pictures_is_told(root: Path, tmp_path: Path) -> None:
    """Measured where as much as possible is measured: AUC 0.79, 0.87, 0.97 and 1.0, and held-out losses of 0.232,
    0.217, 0.216 and 0.228. It takes a minute."""
    first, *_, last = measured(root, tmp_path, trained=3, steps=200, snapshot_steps=(25, 50, 100), batch_size=2)
    assert first.membership and last.membership
    assert last.membership.auc >= 0.95 and last.membership.p <= 0.03
    assert last.membership.auc > first.membership.auc
    assert last.held_loss and last.held_loss > 1.5 * last.training_loss
    base = last.base_loss(held=True)
    assert base and base > last.held_loss, "it learned something beside"


def test_a_short_run_with_more_pictures_is_not(root: Path, tmp_path: Path) -> None:
    """Measured where as much as possible is measured: AUC 0.51, 0.51 and 0.62. It takes a minute."""
    for figures in measured(root, tmp_path, steps=100, snapshot_steps=(25, 50), batch_size=4):
        assert figures.membership and figures.membership.p > 0.05
        assert figures.held_loss == pytest.approx(figures.training_loss, rel=0.15)

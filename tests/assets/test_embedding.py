"""An embedding brings the demo base nearer to its subject, by likeness to poses that no picture shows."""

from __future__ import annotations

from pathlib import Path

import demo_datasets
import features
import numpy as np
import pytest
from evaluate_adapters import subject_prompts
from lora_workbench.engine.captions.templates import apply_trigger
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.embedding import train_embedding
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.suggestions import suggest
from subject_figures import finished, fox_cutout

pytestmark = pytest.mark.proofs

WORD, SEEDS = "ohwx", 4


def test_it_learns_the_subject_by_at_least_30_percent(demo_base: Path, root: Path, tmp_path: Path) -> None:
    base, cutout = load_base(demo_base, device="cpu", precision="fp32"), fox_cutout(root)
    pictures = load_dataset(root / "assets" / "datasets" / "fox")
    dataset = apply_trigger(pictures, TriggerWord(word=WORD, class_word="animal"), "replace")
    recipe = suggest("subject", len(dataset), base.info).changed(
        steps=60, text_encoder_learning_rate=0.02, snr_gamma=0.0
    )  # the noisiest levels decide what a word means, and min-SNR hardly weighs them
    run = {"seed": 0, "store": RunStore(tmp_path), "name": "fox", "vectors": 4, "begins_as": ""}
    trained = finished(train_embedding(base, dataset, recipe, **run))
    asked = subject_prompts(WORD, 12)

    def distance(by: Backbone) -> float:
        """Mean distance from each picture to the nearest held-out pose on the background that was asked for."""
        prompts = tuple(dict.fromkeys(one.prompt for one in asked))
        request = GenerationRequest(prompts=prompts, seeds=tuple(range(SEEDS)), steps=15, guidance=3.0)
        described, nearest = features.describe([made.image for made in finished(generate(by, request))]), []
        for place, one in enumerate(asked):
            poses = features.describe(pose.picture(cutout, one.background) for pose in demo_datasets.HELD_OUT_POSES)
            nearest.append(features.distance(described[place * SEEDS : (place + 1) * SEEDS], poses).min(axis=1))
        return float(np.mean(nearest))

    before, after = distance(base), distance(trained.base)
    print({"base": before, "embedding": after})
    assert after <= 0.7 * before

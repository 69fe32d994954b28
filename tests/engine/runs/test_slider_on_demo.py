"""A slider from two prompts moves what it should on the demo base, and little else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lora_workbench.engine.generation.batch import GenerationRequest
from lora_workbench.engine.generation.strips import strip
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.sliders import train_prompt_slider
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.slider import PromptSlider
from lora_workbench.engine.training.slider_recipe import suggest_slider

pytestmark = pytest.mark.proofs

SUBJECTS = ("a red apple", "a house", "a penguin", "a sunflower")
ENDS = PromptSlider(
    positive="an emoji of a thing on a black background",
    negative="an emoji of a thing on a white background",
    neutral=tuple(f"an emoji of {subject} on a gray background" for subject in SUBJECTS),
    guidance=0.7,
)
WEIGHTS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
UNSEEN = (
    "an emoji of a cat face on a gray background",
    "a noto style emoji of a rocket on a blue background",
    "a noto style emoji of a car on a green background",
)
"""Subjects, and mostly backgrounds, that the slider wasn't trained on."""
INSIDE = slice(16, 48)
"""Where the subject is, of 64 pixels."""


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def pictures(demo_base: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Pictures (weights, prompts and seeds, 64, 64, 3) from 0 to 255."""
    base = registry.load_base(demo_base, device="cpu")
    recipe = suggest_slider(base.info).changed(steps=80, batch_size=4, schedule="cosine")
    store = RunStore(tmp_path_factory.mktemp("store"))
    trained = finish(train_prompt_slider(base, ENDS, recipe, pictures=8, seed=0, store=store, name="dark"))
    request = GenerationRequest(prompts=UNSEEN, seeds=(0, 1), steps=15, guidance=3.0)
    columns = finish(strip(base, request, trained.adapter, WEIGHTS))
    return np.stack([[np.asarray(picture.image, np.float64) for picture in column] for column in columns])


def background(pictures: np.ndarray) -> np.ndarray:
    """Mean brightness of the border, 0 to 255."""
    light = pictures @ (0.299, 0.587, 0.114)
    return np.concatenate([light[..., :3, :].mean(-2), light[..., -3:, :].mean(-2)], -1).mean(-1)


def test_the_background_darkens_with_the_weight_in_every_picture(pictures: np.ndarray) -> None:
    light = background(pictures)
    assert (np.diff(light, axis=0) < 0).all(), light.round(1)
    assert (light[1] - light[5]).mean() > 60, "from weight -1 to 1"


def test_the_subject_stays(pictures: np.ndarray) -> None:
    subject = pictures[:, :, INSIDE, INSIDE].reshape(len(WEIGHTS), pictures.shape[1], -1)
    alike = np.array([[np.corrcoef(*pair)[0, 1] for pair in zip(moved, subject[3], strict=True)] for moved in subject])
    assert alike[1:6].min() > 0.8, alike.round(2)

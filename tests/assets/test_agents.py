"""What an agent trains and draws through the protocol is as near to its subject as what is made by hand."""

from __future__ import annotations

from pathlib import Path

import features
import numpy as np
import pytest
from agents_server import done, end_worker, in_thread, links_of, over_stdio, path_of, text_of
from lora_workbench.engine.data.loading import load_dataset
from PIL import Image

pytestmark = pytest.mark.releases

COLORS = ("teal", "pink", "green", "yellow")
NEARER = 0.5
"""Share of the base model's distance, as ``assets/demo_base/adapters.json`` asks of the demo's subject."""


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def test_a_subject_that_an_agent_trains_is_drawn_as_it_is(tmp_path: Path, root: Path) -> None:
    """The demo's subject with the suggested recipe, and a campaign of four backgrounds with four seeds each."""
    output = tmp_path / "out"
    output.mkdir()
    prompt = "an emoji of a {subject} on a {color} background"
    training = {
        "folder": "fox", "name": "fox", "trigger": "zwx", "class_word": "animal", "seed": 1,
        "template": "an emoji of a {trigger} {class}", "wait_seconds": 3600,
    }  # fmt: skip

    async def campaign() -> tuple[list[Path], list[Path]]:
        async with over_stdio(output) as client:
            trained = await done(client, "train", **training)
            assert "verdict: best is step" in text_of(trained)
            drawn, base = [], []
            for color in COLORS:
                scene = prompt.format(subject="{triggers}", color=color)
                result = await done(client, "draw_fox", scene=scene, count=4, wait_seconds=3600)
                drawn += [path_of(link) for link in links_of(result)]
                plain = prompt.format(subject="animal", color=color)
                result = await done(client, "draw", scene=plain, count=4, wait_seconds=3600)
                base += [path_of(link) for link in links_of(result)]
            return drawn, base

    try:
        drawn, base = in_thread(campaign())
    finally:
        end_worker(output)
    subject = features.describe([record.load() for record in load_dataset(root / "assets" / "datasets" / "fox")])
    with_adapter, without = (
        float(np.mean(features.distance(features.describe([*map(opened, paths)]), subject).min(axis=1)))
        for paths in (drawn, base)
    )
    print(f"distance to the subject: {with_adapter:.4f}, of the base model {without:.4f}")
    assert len(drawn) == len(base) == 16
    assert with_adapter < NEARER * without

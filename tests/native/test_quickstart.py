"""The quickstart in a running ComfyUI: what it trains on the loaded demo checkpoint, measured on stock nodes' pictures.

The measure is that of ``assets/make/evaluate_adapters.py``: mean distance, in the space of ``features.py``, of pictures
of "an emoji of a zwx animal on a … background" from the nearest of the data set's poses on that background.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import demo_checkpoint, drawing, our_stack, stock_loader
from comfyui_server import Ended, Graph, Server
from PIL import Image

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

TRAIN, SAVE, PICTURES = "8", "9", "18"
"""Nodes of the workflow."""
SEEDS_A_PROMPT = 2
LONGEST = 400
"""Seconds."""


@pytest.fixture(scope="module")
def quickstart(root: Path) -> Graph:
    return json.loads((root / "workflows" / "api" / "quickstart-in-comfyui.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def trained(server: Server, quickstart: Graph) -> Ended:
    return server.run(quickstart, LONGEST)


@pytest.fixture(scope="module")
def adapter(trained: Ended) -> str:
    """Name of the saved file in the loaders' lists; other trainings on this server may have taken the plain one."""
    return Path(trained.report(SAVE)["path"]).name


@pytest.fixture(scope="module")
def make(root: Path) -> Iterator[Any]:
    """The scripts that made the demo base's figures, as modules by name."""
    folder = str(root / "assets" / "make")
    sys.path.insert(0, folder)
    yield __import__
    sys.path.remove(folder)


def test_it_trains_and_draws(trained: Ended, server: Server, adapter: str) -> None:
    report = trained.report(TRAIN)
    assert (report["steps"], report["cached"], report["resumed_at"]) == (260, False, 0)
    assert report["last_loss"] < 0.7 * report["first_loss"]  # each a mean over a tenth of the steps
    assert (server.output / "loras" / adapter).is_file()
    assert len(trained.pictures(PICTURES)) == 4


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_stock_loader_and_our_stack_draw_the_same(server: Server, adapter: str, weight: float) -> None:
    ways = {"stack": our_stack("stack", adapter, weight), "loader": stock_loader("loader", adapter, weight), "demo": {}}
    graph = demo_checkpoint()
    for name, nodes in ways.items():
        graph |= nodes | drawing(f"{name} drawing", name, prompt_on("green"), pictures=2)
    ended = server.run(graph)
    stack, loader, plain = (ended.pixels(f"{name} drawing file") for name in ways)
    assert abs(stack - loader).max() <= 1
    assert abs(stack - plain).max() > 100
    assert "lora key not loaded" not in server.log.read_text()


def test_stock_pictures_are_nearer_to_the_subject(server: Server, adapter: str, make: Any, root: Path) -> None:
    backgrounds = list(make("world").BACKGROUNDS)
    ways = {"demo": {}, "loader": stock_loader("loader", adapter, 1.0)}
    graph = demo_checkpoint()
    for way, nodes in ways.items():
        graph |= nodes
        for number, background in enumerate(backgrounds):
            name, seed = f"{way} {background}", number * SEEDS_A_PROMPT
            graph |= drawing(name, way, prompt_on(background), steps=25, seed=seed, pictures=SEEDS_A_PROMPT)
    ended = server.run(graph, LONGEST)
    plain, adapted = (
        mean_distance({b: ended.pictures(f"{way} {b} file") for b in backgrounds}, make, root) for way in ways
    )
    print(f"distance from the subject: {plain:.3f} by the base, {adapted:.3f} by the adapter")
    assert adapted <= 0.5 * plain


def prompt_on(background: str) -> str:
    article = "an" if background[0] in "aeiou" else "a"
    return f"an emoji of a zwx animal on {article} {background} background"


def mean_distance(drawn: dict[str, list[Image.Image]], make: Any, root: Path) -> float:
    """From the nearest of the data set's poses on the background that each picture was asked for on."""
    features, poses = make("features"), [shot.pose for shot in make("demo_datasets").FOX]
    cutout = subject(root)
    nearest: list[float] = []
    for background, pictures in drawn.items():
        known = features.describe(pose.picture(cutout, background) for pose in poses)
        nearest += features.distance(features.describe(pictures), known).min(axis=1).tolist()
    return sum(nearest) / len(nearest)


def subject(root: Path) -> Image.Image:
    """The fox without margin, upright, from the one file of the data set that has it on nothing."""
    with Image.open(root / "assets" / "datasets" / "fox" / "fox cut out.png") as turned:
        upright = turned.convert("RGBA").rotate(4, Image.Resampling.BICUBIC, expand=True)
    return upright.crop(upright.getbbox())

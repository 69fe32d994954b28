"""What drawn pictures tell: which training picture is repeated, and whether the prompt still counts.

``drawn.webp`` has pictures of two trainings of the demo base on an otter that it hasn't seen: on three pictures for 600
steps at a constant rate without caption dropout (``otter3``), and on twelve with class pictures (``otter16``). Its rows
are training pictures, held-out ones, and what ``drawn.json`` says of each: the same prompts by the base model and by
three snapshots.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.evaluation.asking import Asked, asked
from lora_workbench.engine.evaluation.looks import LOOKS
from lora_workbench.engine.evaluation.sampled import Drawn, SampleFigures, Shown, sample_figures
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

HERE = Path(__file__).parent
TOLD: dict[str, Any] = json.loads((HERE / "drawn.json").read_text(encoding="utf-8"))
SIDE = 64


@cache
def rows(name: str) -> list[list[Image.Image]]:
    """Training pictures, held-out pictures, and what was drawn at each step."""
    first = sum(2 + len(own["steps"]) for own in list(TOLD.values())[: list(TOLD).index(name)])
    own = TOLD[name]
    counts = [len(own["training"]), len(own["held"]), *[len(own["prompts"])] * len(own["steps"])]
    with Image.open(HERE / "drawn.webp") as sheet:
        return [
            [sheet.crop((x * SIDE, y * SIDE, (x + 1) * SIDE, (y + 1) * SIDE)) for x in range(count)]
            for y, count in enumerate(counts, first)
        ]


def dataset(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Dataset:
    made = dataset_from_images(list(pictures), list(captions), "set")
    return replace(made, trigger=TriggerWord(word="zwx", class_word="animal"))


def shown(of: Dataset) -> Shown:
    vectors = LOOKS.both_ways([record.load() for record in of])
    return Shown(records=of.records, looks=vectors, meaning=vectors)


def drawn(pictures: Sequence[Image.Image]) -> Drawn:
    return Drawn.of(pictures, LOOKS, LOOKS)


@cache
def measured(name: str) -> tuple[tuple[Asked, ...], list[SampleFigures]]:
    training, held, *steps = rows(name)
    own = TOLD[name]
    sets = dataset(training, own["training"]), dataset(held, own["held"])
    prompts = asked(own["prompts"], *sets)
    return prompts, [
        sample_figures(step, drawn(pictures), drawn(steps[0]), prompts, shown(sets[0]), shown(sets[1]))
        for step, pictures in zip(own["steps"], steps, strict=True)
    ]


def test_a_run_on_three_pictures_is_told_to_repeat_them() -> None:
    prompts, (base, *snapshots) = measured("otter3")
    assert not base.repeated
    for figures in snapshots:
        assert figures.repeated
    for number, nearest in snapshots[-1].repeated:
        if prompts[number].kind == "training caption":
            place = TOLD["otter3"]["training"].index(prompts[number].prompt)
            assert nearest.name == f"image_{place + 1:04d}.png", "it is the picture of this caption"
    assert {prompts[number].kind for number, _ in snapshots[-1].repeated} == {"training caption", "other prompt"}


def test_a_good_run_is_not() -> None:
    _, figures = measured("otter16")
    assert not any(own.repeated for own in figures)


def test_likeness_rises_with_what_is_learned() -> None:
    _, figures = measured("otter16")
    values = [own.likeness for own in figures]
    assert values == sorted(values, key=lambda value: value or 0) and values[-1] and values[-1] > 0.75


def test_without_class_pictures_other_animals_drift() -> None:
    assert all((own.drift or 0) < 0.3 for own in measured("otter16")[1][1:])
    assert (measured("otter3")[1][-1].drift or 0) > 0.6


COLORS = [(200, 60, 40), (40, 90, 200), (60, 160, 70), (230, 200, 60), (90, 40, 120)]


def scene(number: int) -> Image.Image:
    """A picture of its own: another color, with shapes elsewhere."""
    sheet = Image.new("RGB", (96, 96), COLORS[number])
    draw = ImageDraw.Draw(sheet)
    x, y = 10 + 13 * number, 50 - 9 * number
    draw.ellipse((x, y, x + 30, y + 40), fill="white")
    draw.rectangle((70 - 8 * number, 12 + 11 * number, 90 - 8 * number, 22 + 11 * number), fill="black")
    return sheet


TRAINING = dataset([scene(number) for number in range(3)], [f"a zwx {number}" for number in range(3)])
PROMPTS = asked(["a zwx 0", "a zwx cat", "a zwx dog", "a cow"], TRAINING, None)
BASE = [scene(4), ImageOps.flip(scene(3)), scene(3), ImageOps.flip(scene(4))]


def figures_of(*pictures: Image.Image, training: Dataset | None = TRAINING) -> SampleFigures:
    own = shown(training) if training else None
    return sample_figures(10, drawn(pictures), drawn(BASE), PROMPTS, own, None)


def test_copies_are_named_whatever_was_done_to_them() -> None:
    copies = [
        scene(1),
        ImageOps.mirror(scene(1)),
        ImageEnhance.Brightness(scene(2).resize((64, 64))).enhance(1.05),
        scene(4),
    ]
    found = figures_of(*copies)
    assert [own.name for own in found.nearest[:3]] == ["image_0002.png", "image_0002.png", "image_0003.png"]
    assert [own.mirrored for own in found.nearest[:3]] == [False, True, False]
    assert [own.is_repeated for own in found.nearest] == [True, True, True, False]
    assert found.novelty == pytest.approx(0, abs=1e-3)
    assert found.repeated[-1][0] == 2, "the nearest come first"


def test_of_a_single_picture_copies_cannot_be_told() -> None:
    alone = figures_of(*[scene(0)] * 4, training=replace(TRAINING, records=TRAINING.records[:1]))
    assert alone.novelty is None and not alone.repeated and alone.nearest[0].distance == pytest.approx(0, abs=1e-3)
    assert figures_of(*BASE, training=None).nearest == ()


def test_adherence_falls_where_every_prompt_gives_the_same_picture() -> None:
    assert figures_of(*BASE).adherence == pytest.approx(1)
    assert figures_of(*[scene(1)] * 4).adherence == pytest.approx(0, abs=1e-3)


def test_adherence_takes_two_prompts_that_are_new() -> None:
    few = asked(["a zwx 0", "a zwx 1", "a zwx cat", "a cow"], TRAINING, None)
    found = sample_figures(10, drawn(BASE), drawn(BASE), few, None, None)
    assert found.adherence is None


def test_drift_is_of_prompts_without_the_trigger_word() -> None:
    assert figures_of(scene(0), scene(1), scene(2), BASE[3]).drift == pytest.approx(0, abs=1e-3)
    moved = figures_of(BASE[0], scene(1), BASE[2], scene(1)).drift
    assert moved and moved > 1, "it changes more than those with the word do on average"
    assert figures_of(*BASE).drift is None, "nothing changed at all"


def test_likeness_is_to_the_picture_of_the_caption() -> None:
    assert figures_of(scene(0), *BASE[1:]).likeness == pytest.approx(1, abs=1e-3)
    other = figures_of(scene(1), *BASE[1:]).likeness
    assert other and other < 0.7
    held = dataset([scene(3), scene(4)], ["a zwx cat", "a zwx dog"])
    prompts = asked([own.prompt for own in PROMPTS], TRAINING, held)
    found = sample_figures(10, drawn([scene(1), scene(3), scene(4), scene(1)]), drawn(BASE), prompts, None, shown(held))
    assert found.likeness == pytest.approx(1, abs=1e-3), "held-out captions alone count where there are some"

"""What is said of drawn pictures, and the verdict with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.evaluation.asking import Asked
from lora_workbench.engine.evaluation.sample_course import SampleCourse
from lora_workbench.engine.evaluation.sample_verdict import with_pictures
from lora_workbench.engine.evaluation.sampled import Nearest, SampleFigures
from lora_workbench.engine.evaluation.verdict import Verdict

ASKED = (
    Asked(prompt="a zwx on red", kind="held-out caption", pictures=("1",)),
    Asked(prompt="a zwx at sea", kind="other prompt"),
)


def near(novelty: float | None, name: str = "fox-green.webp", *, mirrored: bool = False) -> Nearest:
    return Nearest(name=name, distance=0.2 * (novelty or 1), novelty=novelty, mirrored=mirrored)


def figures(step: int, *nearest: Nearest, **measures: Any) -> SampleFigures:
    told = {"likeness": 0.5, "adherence": 0.9, "drift": 0.2} | measures
    return SampleFigures(step=step, nearest=nearest or (near(1.0), near(1.2)), **told)


def course(*own: SampleFigures, **changes: Any) -> SampleCourse:
    base = changes.pop("base", figures(0, likeness=0.3, drift=None))
    values: dict[str, Any] = {
        "asked": ASKED, "seed": 1, "sampling_steps": 20, "guidance": 3.0, "space": "looks", "between": 0.2,
        "base": base, "figures": own, "drawn": (("a", "b"),) * (1 + len(own)),
    }  # fmt: skip
    return SampleCourse(**values | changes)


def test_since_when_it_repeats_which_picture_is_said() -> None:
    own = course(
        figures(200),
        figures(400, near(0.1), near(0.9)),
        figures(600),
        figures(800, near(0.9), near(0.1, mirrored=True)),
        figures(900, near(0.05), near(0.1)),
    )
    assert own.repeats_since == 800
    [told] = own.of_pictures(600)
    assert told == (
        "From step 800 on it repeats fox-green.webp, mirrored (distance 0.02; training pictures are 0.2 from each "
        "other), for example for 'a zwx at sea'."
    )


def test_a_picture_that_is_repeated_once_is_said_too() -> None:
    [told] = course(figures(200, near(0.1, "a.png"), near(1.0)), figures(400)).of_pictures(400)
    assert told == "At 1 step, the first of them 200, it repeats a.png."


def test_where_none_is_repeated_the_nearest_is_named() -> None:
    [told] = course(figures(200), figures(400, near(0.8, "b.png"), near(1.0))).of_pictures(400)
    assert told.startswith("No drawn picture repeats a training picture: at step 400 the nearest is b.png (distance 0.")


def test_what_cannot_be_told_is_said() -> None:
    bare = {"nearest": (), "step": 0, "likeness": None, "adherence": None, "drift": None}
    unknown = course(SampleFigures(**bare | {"step": 9}), base=SampleFigures(**bare), between=None)
    assert [sentence.partition(",")[0] for sentence in unknown.of_pictures(9)] == [
        "Without the training pictures",
        "Adherence to prompts takes two prompts that aren't captions of training pictures.",
    ]
    [single] = course(figures(9, near(None), near(None)), between=None).of_pictures(9)
    assert single.startswith("Of a single training picture, it can't be told")


def test_prompts_that_no_longer_count_and_drift_are_told_since_when() -> None:
    own = course(figures(200), figures(400, adherence=0.2), figures(600, adherence=0.1, drift=0.7))
    [_, adherence, drift] = own.of_pictures(200)
    assert adherence.startswith("From step 400 on the prompt hardly counts") and "0.2 times" in adherence
    assert drift.startswith("Since step 600, pictures of prompts without the trigger word drift") and "0.7" in drift


def test_losses_choose_where_there_are_some() -> None:
    own = course(figures(200), figures(400, near(0.1)))
    found = with_pictures(Verdict(best=400, reasons=("Because.",)), own)
    assert (found.best, found.repeats_since, found.reasons[0]) == (400, 400, "Because.")
    assert "it repeats fox-green.webp" in found.reasons[1]


@pytest.mark.parametrize(
    ("likeness", "best"),
    [([0.4, 0.6, 0.598, 0.5], 20), ([0.4, 0.596, 0.6, 0.5], 20), ([0.1, 0.2, 0.3, 0.29], 40)],
)
def test_without_losses_likeness_chooses(likeness: list[float], best: int) -> None:
    own = course(*(figures(10 * (place + 1), likeness=value) for place, value in enumerate(likeness)))
    found = with_pictures(None, own)
    assert found.best == best
    assert ("can't tell" in found.reasons[0]) == (best == 40), "nothing exceeds the base model's 0.3"


def test_among_equals_those_that_repeat_nothing_are_chosen() -> None:
    assert course(figures(10, likeness=0.5), figures(20, near(0.1), likeness=0.9)).best == 10
    assert course(figures(10, near(0.1), likeness=0.5), figures(20, near(0.1), likeness=0.9)).best == 20


def test_a_file_gives_it_back(tmp_path: Path) -> None:
    own, path = course(figures(200), figures(400, near(0.1), near(None))), tmp_path / "samples.json"
    own.save(path)
    assert SampleCourse.load(path) == own
    path.write_text(path.read_text()[:-40])
    assert SampleCourse.load(path) is None and SampleCourse.load(tmp_path / "none.json") is None

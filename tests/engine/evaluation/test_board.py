"""The places of pictures follow from their losses against those of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.evaluation.board import Board, board
from lora_workbench.engine.evaluation.evidence import Evidence
from lora_workbench.engine.evaluation.picture_losses import PictureLosses
from PIL import Image

BASE = PictureLosses(told=(0.1, 0.2, 0.3, 0.4), untold=(0.2, 0.3, 0.4, 0.5))


def times(factor: float, losses: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(factor * own for own in losses)


def picture(name: str, *, unseen: float = 0.7, seen: float = 0.5, caption: float = 0.8) -> Evidence:
    """A picture whose loss with its caption is so many times the base model's without one, by trainings that haven't
    seen it and by those that have; the caption's factor is that on the loss without one."""
    alone = times(unseen, BASE.untold)
    return Evidence(
        name=name, content_hash=name, base=BASE,
        unseen=PictureLosses(told=alone, untold=times(1 / caption, alone)),
        seen=PictureLosses(told=times(seen, BASE.untold), untold=BASE.untold),
    )  # fmt: skip


USUAL = [picture(f"usual {n}", unseen=0.68 + 0.01 * n) for n in range(5)]


def placed(*others: Evidence) -> Board:
    return board([*USUAL, *others])


@pytest.mark.parametrize(
    ("odd", "label", "words"),
    [
        (picture("p", caption=1.2), "suspect caption", "its loss is 20% higher than without a caption"),
        (picture("p", unseen=1.3, seen=0.5), "suspect picture", "the other pictures alone raise its loss by 30%, that"),
        (picture("p", unseen=0.95), "suspect picture", "lower its loss by 5%, that of a usual one by 30%"),
        (picture("p", unseen=0.85, seen=0.8), "hard", "training on it lowers its loss by 20%, that of"),
        (picture("p", unseen=0.5, seen=0.49), "mined out", "lower its loss by 50%, training on it too by 51%"),
        (picture("p", unseen=0.75), "learnt", "lower its loss by 25%, training on it too by 50%"),
    ],
)  # fmt: skip
def test_each_place_has_its_reason(odd: Evidence, label: str, words: str) -> None:
    made = placed(odd)
    assert {own.label for own in made.placed[:5]} == {"learnt"}
    assert made.placed[5].label == label
    assert words in made.placed[5].judgement.reason


def test_the_report_begins_with_the_most_urgent() -> None:
    made = placed(picture("hard", unseen=0.85, seen=0.8), picture("car", unseen=1.1), picture("cap", caption=2))
    lines = str(made).splitlines()
    assert lines[0] == "8 pictures: 2 suspect, 1 hard, 0 mined out, 5 learnt"
    assert lines[1] == "Read the captions of cap: they seem to speak of something else."
    assert lines[2] == "Look at car: they seem to show something else than the others."
    assert [line.partition(":")[0] for line in lines[3:6]] == ["suspect picture", "suspect caption", "hard"]
    assert made.facts()["places"]["suspect"] == ["car", "cap"]


def test_where_trainings_teach_nothing_only_captions_are_judged() -> None:
    nothing = [picture(f"p{n}", unseen=1.0, seen=0.9, caption=1.3 if n == 2 else 0.9) for n in range(6)]
    made = board(nothing)
    assert "only captions can be judged" in made.notes[0]
    assert [own.label for own in made.placed if own.place == "suspect"] == ["suspect caption"]


def test_the_places_do_not_depend_on_the_order() -> None:
    odd = picture("p", unseen=0.95)
    forth, back = board([*USUAL, odd]), board([odd, *reversed(USUAL)])
    assert {own.name: own.label for own in forth.placed} == {own.name: own.label for own in back.placed}


def test_the_next_training_can_leave_them_out_or_show_them_rarely() -> None:
    made = placed(picture("p", unseen=1.1), picture("q", unseen=0.5, seen=0.49))
    images = [Image.new("RGB", (8, 8), (n, 0, 0)) for n in range(7)]
    dataset = dataset_from_images(images, [f"caption {n}" for n in range(7)], "set")
    doubled = replace(dataset, records=(replace(dataset.records[0], repeats=2), *dataset.records[1:]))
    assert [record.caption for record in made.suspects_of(dataset)] == ["caption 5"]
    assert [record.repeats for record in made.with_rarer(doubled, 3)] == [6, 3, 3, 3, 3, 1, 1]
    assert made.with_rarer(doubled, 1) == doubled

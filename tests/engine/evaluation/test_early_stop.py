"""When a run ends early: on courses that were measured, and on figures made up for each case."""

from __future__ import annotations

import pytest
from courses import COURSES, OVER_FIT, measured, snapshot
from lora_workbench.engine.evaluation.early_stop import early_end, fewest_snapshots
from lora_workbench.engine.evaluation.figures import Figures
from lora_workbench.engine.evaluation.verdict import verdict

USUAL = 3
"""Snapshots, as the tooltip has it."""


def learning(*learned: float) -> list[Figures]:
    return [snapshot(10 * number, share) for number, share in enumerate(learned, 1)]


@pytest.mark.parametrize("name", COURSES)
def test_runs_that_over_fit_end_early_and_others_go_on(name: str) -> None:
    assert (early_end(measured(name), USUAL) is not None) == (name in OVER_FIT)


@pytest.mark.parametrize("name", sorted(OVER_FIT))
def test_a_run_that_ends_early_has_a_pick_that_draws_as_well(name: str) -> None:
    figures, likeness = measured(name), dict(zip(COURSES[name]["steps"], COURSES[name]["likeness"], strict=True))
    end = early_end(figures, USUAL)
    assert end and end.step <= 0.6 * figures[-1].step
    shortened = verdict([own for own in figures if own.step <= end.step])
    assert shortened and shortened.best == end.best
    assert likeness[end.best] <= 1.1 * min(likeness.values())


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_it_ends_when_the_pick_has_stayed(patience: int) -> None:
    end = early_end(learning(0.3, 0.5, 0.6, 0.61, 0.61, 0.6, 0.61, 0.6), patience)
    assert end and (end.step, end.best, end.over_fit_since) == (30 + 10 * patience, 30, None)
    assert f"step 30 is still the one to use after {patience} more snapshot" in end.in_words(200)


def test_it_goes_on_while_it_learns() -> None:
    assert early_end(learning(*(0.05 * step for step in range(1, 13))), 1) is None


def test_a_pick_that_moves_begins_the_count_anew() -> None:
    end = early_end(learning(0.3, 0.5, 0.5, 0.6, 0.6, 0.6), 2)
    assert end and (end.step, end.best) == (60, 40)


def test_over_fitting_ends_it_though_the_pick_moves() -> None:
    held = [[0.5] * 3, [0.6] * 3, [0.8] * 3, [0.85] * 3, [0.9] * 3]
    figures = [snapshot(10 * n, 0.15 * n, losses) for n, losses in enumerate(held, 1)]
    end = early_end(figures, 2)
    assert end and (end.step, end.best, end.over_fit_since) == (50, 50, 30)
    told = end.in_words(100)
    assert told.startswith("Stopped early after step 50 of 100: it over-fits since step 30, and 2 more snapshots")
    assert "saves 50 steps (50%)" in told


def test_nothing_learned_is_no_reason_to_end() -> None:
    assert early_end(learning(*[-0.1] * 8), 1) is None


@pytest.mark.parametrize(("patience", "fewest"), [(1, 3), (2, 3), (3, 4)])
def test_it_takes_some_snapshots(patience: int, fewest: int) -> None:
    assert fewest_snapshots(patience) == fewest
    assert early_end(learning(*[0.5] * (fewest - 1)), patience) is None
    assert early_end(learning(*[0.5] * fewest), patience)


def test_what_was_measured_later_changes_nothing() -> None:
    figures = measured("otter3")
    end = early_end(figures, USUAL)
    assert end
    for count in range(1, len(figures) + 1):
        assert early_end(figures[:count], USUAL) == (end if figures[count - 1].step >= end.step else None)

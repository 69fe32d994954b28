"""The verdict on snapshots: on runs of the demo base that were measured, and on figures made up for each case."""

from __future__ import annotations

import pytest
from courses import COURSES, LATER, OVER_FIT, figures_of, measured, snapshot
from lora_workbench.engine.evaluation.figures import Figures
from lora_workbench.engine.evaluation.verdict import Verdict, verdict
from lora_workbench.engine.figures.verdict_plot import verdict_plot


def judged(*snapshots: Figures) -> Verdict:
    found = verdict(snapshots)
    assert found
    return found


@pytest.mark.parametrize("name", COURSES)
def test_the_pick_draws_nearly_as_well_as_the_best_snapshot(name: str) -> None:
    likeness = dict(zip(COURSES[name]["steps"], COURSES[name]["likeness"], strict=True))
    assert likeness[judged(*measured(name)).best] <= 1.1 * min(likeness.values())


@pytest.mark.parametrize("name", COURSES)
def test_over_fitting_is_told_where_it_is_and_nowhere_else(name: str) -> None:
    found = judged(*measured(name))
    assert (found.over_fit_since is not None) == (name in OVER_FIT)
    assert ("Since step" in str(found)) == (name in OVER_FIT)
    assert ("doesn't over-fit" in str(found)) == (name not in OVER_FIT)


def test_ten_later_runs_confirm_it() -> None:
    """Nine of ten picks at most 10 % beyond the best snapshot, and over-fitting told of those that were made to."""
    told = {name: judged(*figures_of(course)) for name, course in LATER.items()}
    assert len(LATER) == 10
    near = [
        dict(zip(course["steps"], course["likeness"], strict=True))[told[name].best] <= 1.1 * min(course["likeness"])
        for name, course in LATER.items()
    ]
    assert sum(near) >= 9
    assert {name for name, found in told.items() if found.over_fit_since} == {
        name for name, course in LATER.items() if course["over_fits"]
    }


def test_drift_is_told_where_nothing_kept_the_class() -> None:
    told = {name for name in COURSES if "without the trigger word" in str(judged(*measured(name)))}
    assert told == OVER_FIT
    later = {name for name, own in LATER.items() if "without the trigger word" in str(judged(*figures_of(own)))}
    assert later == {name for name, own in LATER.items() if own["over_fits"]}


def test_order_decides_nothing() -> None:
    own = measured("otter16")
    assert verdict(own[::-1]) == verdict(own)


def test_the_first_that_has_learned_nearly_all_is_picked() -> None:
    found = judged(*(snapshot(step, learned) for step, learned in ((10, 0.3), (20, 0.59), (30, 0.6), (40, 0.6))))
    assert found.best == 20 and not found.still_learning
    assert "98%" in str(found) and "held_out" in str(found)


def test_a_run_that_still_learns_is_told_so() -> None:
    found = judged(*(snapshot(step, step / 100) for step in (10, 20, 30, 40)))
    assert found.best == 40 and found.still_learning and "more steps would teach more" in str(found)


def test_over_fitting_counts_from_where_the_gain_stays_lost() -> None:
    held = {10: 0.7, 20: 0.9, 30: 0.7, 40: 0.95, 50: 0.9}
    found = judged(*(snapshot(step, 0.6, [loss] * 3) for step, loss in held.items()))
    assert found.over_fit_since == 40
    assert "more than half of the gain is lost again" in str(found)


def test_pictures_that_never_gained_are_told_apart() -> None:
    found = judged(*(snapshot(step, 0.6, [1.1] * 3) for step in (10, 20, 30)))
    assert found.over_fit_since == 10 and "worse than the base model does" in str(found)


@pytest.mark.parametrize("held", [[], [2.0], [2.0, 2.0]])
def test_few_held_out_pictures_tell_nothing(held: list[float]) -> None:
    found = judged(*(snapshot(step, 0.6, held) for step in (10, 20, 30)))
    assert found.over_fit_since is None and "can't" in str(found)


def test_one_snapshot_is_no_comparison() -> None:
    found = judged(snapshot(10, 0.5, [0.5] * 3))
    assert found.best == 10 and "too few snapshots" in str(found)


def test_nothing_learned_is_told() -> None:
    found = judged(*(snapshot(step, -0.1, [1.2] * 3) for step in (10, 20, 30)))
    assert found.best == 30 and "nothing was learned" in str(found) and found.over_fit_since is None


def test_figures_of_other_measures_are_left_out_and_counted() -> None:
    own = [snapshot(step, learned) for step, learned in ((20, 0.3), (30, 0.6), (40, 0.6))]
    found = judged(snapshot(10, 0.9, key="another"), *own)
    assert found.best == 30 and "1 snapshot measured in another way" in str(found)


def test_without_figures_there_is_no_verdict() -> None:
    assert verdict([]) is None


def test_the_plot_shows_pick_and_over_fitting() -> None:
    lines = {"training pictures": [0.5, 0.3, 0.2], "held-out pictures": [0.9, 1.1, float("nan")]}
    plain = verdict_plot([10, 20, 30], lines, best=20)
    shaded = verdict_plot([10, 20, 30], lines, best=20, over_fit_since=20)
    assert plain.size == shaded.size == (880, 522) and plain.tobytes() != shaded.tobytes()

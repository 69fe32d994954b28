"""Whether gains tell training pictures from others: a figure and its exact probability by chance."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from lora_workbench.engine.evaluation.membership import Membership, gains


def by_hand(members: list[float], held: list[float]) -> tuple[float, float]:
    """AUC and p by going through all pairs and all relabelings."""

    def auc(own: list[float], others: list[float]) -> float:
        return sum((a > b) + (a == b) / 2 for a in own for b in others) / (len(own) * len(others))

    values, seen = [*members, *held], auc(members, held)
    ways = [
        auc([values[i] for i in some], [v for i, v in enumerate(values) if i not in some])
        for some in combinations(range(len(values)), len(members))
    ]
    return seen, sum(way >= seen - 1e-9 for way in ways) / len(ways)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("members", "held"), [(3, 3), (5, 2), (1, 6), (4, 5)])
def test_figures_are_those_of_all_relabelings(members: int, held: int, ties: bool) -> None:
    random = np.random.default_rng(members * 10 + held)
    for _ in range(5):
        values = random.integers(0, 4, members + held).astype(float) if ties else random.normal(size=members + held)
        found = Membership.of(values[:members].tolist(), values[members:].tolist())
        assert found
        assert (found.auc, found.p) == pytest.approx(by_hand(values[:members].tolist(), values[members:].tolist()))


def test_pictures_told_apart_are_as_unlikely_as_their_number_allows() -> None:
    found = Membership.of([5.0, 6.0, 7.0], [1.0, 2.0, 3.0])
    assert found and (found.auc, found.p) == (1, pytest.approx(1 / 20))
    many = Membership.of([float(i) for i in range(100, 132)], [float(i) for i in range(32)])
    assert many and many.auc == 1 and many.p == pytest.approx(1 / comb(64, 32), rel=1e-6)
    reversed_ = Membership.of([1.0, 2.0], [3.0, 4.0])
    assert reversed_ and (reversed_.auc, reversed_.p) == (0, 1)


def test_without_pictures_of_both_kinds_nothing_is_told() -> None:
    assert Membership.of([1.0], []) is None
    assert Membership.of([], [1.0]) is None


def test_no_band_decides_by_the_size_of_its_losses() -> None:
    base = [[1.0, 100.0], [1.0, 100.0]]
    first, second = gains([[0.9, 100.0], [1.0, 90.0]], base)
    assert first == pytest.approx(second) and first > 0


def test_a_band_in_which_nothing_changed_tells_nothing() -> None:
    assert gains([[1.0, 2.0], [1.0, 1.0]], [[1.0, 2.0], [1.0, 2.0]]) == pytest.approx([0, 2**-0.5])

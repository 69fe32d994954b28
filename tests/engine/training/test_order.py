"""Batches are of one bucket, epochs show every picture as often as it should be, and order follows from numbers."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.training.order import chosen, variant

SEEDS = st.integers(0, 2**63)


@st.composite
def buckets(draw: st.DrawFn, fewest: int = 1) -> list[list[int]]:
    """Numbers of samples, some of them repeated, in their buckets."""
    made, number = [], 0
    for count in draw(st.lists(st.integers(1, 7), min_size=fewest, max_size=5)):
        repeats = draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
        made.append([number + i for i, often in enumerate(repeats) for _ in range(often)])
        number += count
    return made


@given(buckets(fewest=2), st.integers(1, 6), SEEDS, st.integers(0, 3))
def test_an_epoch_shows_each_picture_as_often_as_its_repeats_say(made, count, seed, epoch):
    batches = sum(-(-len(bucket) // count) for bucket in made)
    shown = [chosen(made, epoch * batches + n, count, seed) for n in range(batches)]
    assert Counter(i for batch in shown for i in batch) == Counter(i for bucket in made for i in bucket)
    for batch in shown:
        assert 1 <= len(batch) <= count
        assert any(set(batch) <= set(bucket) for bucket in made)
    for bucket in made:
        sizes = [len(batch) for batch in shown if set(batch) <= set(bucket)]
        assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 9), st.integers(1, 6), SEEDS)
def test_one_bucket_always_fills_its_batches(size, count, seed):
    shown = [i for n in range(3 * size) for i in chosen([list(range(size))], n, count, seed)]
    assert len(shown) == 3 * size * count
    for at in range(0, len(shown), size):
        assert sorted(shown[at : at + size]) == list(range(size))


@given(buckets(), st.integers(1, 6), SEEDS, st.integers(0, 10**6))
def test_a_batch_follows_from_its_number_alone(made, count, seed, number):
    first = chosen(made, number, count, seed)
    chosen(made, number + 1, count, seed)
    assert chosen(made, number, count, seed) == first


def test_another_seed_is_another_order():
    made = [list(range(10)), list(range(10, 30))]
    orders = {str([chosen(made, n, 4, seed) for n in range(8)]) for seed in range(5)}
    assert len(orders) == 5


@given(st.integers(1, 8), SEEDS)
def test_all_variants_are_shown_and_follow_from_place_and_seed(count, seed):
    shown = [variant(count, number, place, seed) for number in range(60) for place in range(4)]
    assert set(shown) == set(range(count))
    assert shown == [variant(count, number, place, seed) for number in range(60) for place in range(4)]

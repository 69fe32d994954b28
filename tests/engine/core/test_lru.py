"""What was used last stays, up to a number and a size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from lora_workbench.engine.core.lru import LRU


class Makes:
    """Makes texts, and remembers which."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, text: str) -> str:
        self.made.append(text)
        return text


@pytest.mark.parametrize("cache", [LRU(2), LRU(9, most_bytes=2, size=len)], ids=["number", "bytes"])
def test_what_was_unused_for_longest_goes(cache: LRU[str]) -> None:
    make = Makes()
    for key in "abacab":
        cache.get(key, lambda key=key: make(key))
    assert make.made == ["a", "b", "c", "b"]


def test_another_version_takes_the_place_of_the_old_one() -> None:
    cache: LRU[str] = LRU(9, most_bytes=5, size=len)
    make = Makes()
    for version in (1, 1, 2, 3):
        cache.get("a", lambda: make("four"), version)
    assert len(make.made) == 3
    cache.get("b", lambda: make("b"))
    cache.get("a", lambda: make("four"), 3)
    assert len(make.made) == 4, "old versions weigh nothing"


def test_a_value_larger_than_the_cache_is_made_each_time_and_harms_no_later_one() -> None:
    cache: LRU[str] = LRU(9, most_bytes=3, size=len)
    make = Makes()
    for _ in range(2):
        assert cache.get("a", lambda: make("large")) == "large"
    for _ in range(2):
        cache.get("b", lambda: make("b"))
    assert make.made == ["large", "large", "b"]


def test_a_value_larger_than_the_cache_evicts_no_other() -> None:
    cache: LRU[str] = LRU(9, most_bytes=3, size=len)
    make = Makes()
    for text in ("a", "large", "a"):
        cache.get(text, lambda text=text: make(text))
    assert make.made == ["a", "large"]


def test_a_failure_keeps_nothing() -> None:
    cache: LRU[str] = LRU(2)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: str(1 / 0))
    assert cache.get("a", lambda: "a") == "a"


def test_threads_make_values_side_by_side() -> None:
    cache: LRU[int] = LRU(9)
    meeting = Barrier(2, timeout=10)
    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(cache.get, key, lambda: meeting.wait() * 0) for key in ("a", "b")]
        assert [value.result() for value in found] == [0, 0]

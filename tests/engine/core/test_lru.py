"""The cache keeps what was used last, within its bounds."""

from __future__ import annotations

from lora_workbench.engine.core.lru import LRU


def cached(cache: LRU[str], *keys: str) -> list[str]:
    """Which of these keys need not be made again."""
    made = []
    for key in keys:
        cache.get(key, lambda key=key: made.append(key) or key)
    return [key for key in keys if key not in made]


def test_the_least_recently_used_goes_first():
    cache: LRU[str] = LRU(2)
    assert cached(cache, "a", "b") == []
    assert cached(cache, "a") == ["a"]
    assert cached(cache, "c") == []
    assert cached(cache, "a", "c") == ["a", "c"]
    assert cached(cache, "b") == []


def test_a_value_larger_than_the_cache_evicts_no_other():
    cache: LRU[str] = LRU(8, most_bytes=4, size=len)
    cached(cache, "aa", "bb")
    assert cached(cache, "too large") == cached(cache, "too large") == []
    assert cached(cache, "aa", "bb") == ["aa", "bb"]

"""Tests of trigger words, and the free words that are proposed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from generators import finish
from hypothesis import given, settings
from hypothesis import strategies as st
from lora_workbench.engine.captions import reaction
from lora_workbench.engine.captions.free_words import propose, token_count
from lora_workbench.engine.captions.frequency import WordFrequency, frequencies
from lora_workbench.engine.captions.reaction import COMMON_WORDS, RANDOM_WORDS, reactions
from lora_workbench.engine.captions.trigger import TriggerReport, check_trigger, clashes
from lora_workbench.engine.core.cache import TensorCache
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.core.events import Progress
from lora_workbench.engine.data.dataset import Dataset, ImageRecord
from lora_workbench.engine.data.sources import MemorySource
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone


def dataset_of(*captions: str | None) -> Dataset:
    records = [
        ImageRecord(source=MemorySource(f"{n}.png", b""), content_hash=str(n), width=8, height=8, caption=caption)
        for n, caption in enumerate(captions, 1)
    ]
    return Dataset(name="x", records=tuple(records))


@pytest.fixture
def cache(tmp_path: Path) -> TensorCache:
    return TensorCache(tmp_path / "cache")


@pytest.fixture(scope="module")
def base(demo_base: Path) -> Backbone:
    return registry.load_base(demo_base, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> TensorCache:
    """Keeps the demo base's reactions from one test to the next."""
    return TensorCache(tmp_path_factory.mktemp("tested"))


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many words others are compared with, made fewer."""
    for name in ("COMMON_WORDS", "RANDOM_WORDS"):
        monkeypatch.setattr(reaction, name, getattr(reaction, name)[:4])
    return 8


@pytest.fixture(scope="module")
def tiny(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


def check(word: str, cache: TensorCache, class_word: str = "", **others) -> TriggerReport:
    return finish(check_trigger(word, class_word, cache=cache, **({"dataset": None, "backbone": None} | others)))[0]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("the", "a common English word (1 in 20)"),
        ("dog", "a common English word (1 in 8,000)"),
        ("lumen", "a known English word (1 in 800,000)"),
        ("sks", "a rare English word (1 in 5,000,000)"),
        ("ohwx", "not an English word"),
    ],
)
def test_frequencies_are_reported_in_words(word: str, said: str):
    (found,) = frequencies(word) or [WordFrequency(word="", zipf=0)]
    assert found.in_words() == said


def test_a_common_word_that_the_base_knows_is_reported_and_not_refused(base: Backbone, tested: TensorCache):
    report = check("turtle", tested, backbone=base, dataset=dataset_of("a turtle on sand", "asleep"))
    first = report.text().split("\n")[0]
    assert first.startswith("turtle: a common English word (1 in ")
    assert "; the base model already knows it; 1 of 2 captions already contain it" in first
    assert "text_encoder reads" in report.text()
    assert f"of {len(RANDOM_WORDS)} random" in report.text()
    assert len(report.free_words) == 3


def test_free_words_pass_the_same_tests(base: Backbone, tested: TensorCache):
    report = check("", tested, backbone=base)
    assert report.word == report.free_words[0]
    for word in report.free_words:
        again = check(word, tested, backbone=base)
        assert again.frequencies is not None and not any(part.zipf for part in again.frequencies)
        assert again.reaction is not None and not again.reaction.known
        assert "already knows" not in again.text()


def test_words_that_the_base_was_taught_are_reported_from_those_it_was_not(base: Backbone, tested: TensorCache):
    taught = ["banana", "whale", "rocket", "crown", "penguin", "umbrella", "spider", "tulip"]
    untaught = ["ohwx", "zwx", "hqvn", "dkzu", "wjxp", "qatz", "xumk", "bvnr"]
    found, _ = finish(reactions(base, [*taught, *untaught], tested))
    assert all(found[word].known for word in taught)
    assert sum(found[word].known for word in untaught) <= 1


def test_words_are_tested_once_per_base_model(tiny: Backbone, cache: TensorCache, few_words: int):
    first, events = finish(reactions(tiny, ["fox"], cache))
    assert len([event for event in events if isinstance(event, Progress)]) == few_words + 1
    again, events = finish(reactions(tiny, ["fox"], cache))
    assert (again, events) == (first, [])
    other, events = finish(reactions(tiny, ["fox", "ohwx"], cache))
    assert len(events) == 1 and other["fox"] == first["fox"]


def test_a_stopped_test_continues_where_it_was(tiny: Backbone, cache: TensorCache, few_words: int):
    whole, events = finish(reactions(tiny, ["fox"], TensorCache(cache.folder.parent / "whole")))
    stopped = reactions(tiny, ["fox"], cache)
    for _ in range(few_words // 2):
        next(stopped)
    stopped.close()
    rest, left = finish(reactions(tiny, ["fox"], cache))
    assert len(left) == len(events) - few_words // 2
    assert rest == whole


def test_without_base_and_data_set_the_dictionary_is_asked(cache: TensorCache):
    report = check("dog", cache)
    assert report.text().split("\n")[0] == "dog: a common English word (1 in 8,000)"
    assert report.tokens == {} and report.reaction is None and report.in_captions is None
    assert check("ohwx", cache).text().startswith("ohwx: free\n")
    assert check("ohwx dog", cache).warnings == ["contains 'dog', a common English word (1 in 8,000)"]


def test_without_a_dictionary_it_says_so(cache: TensorCache, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    text = check("dog", cache).text()
    assert "not looked up" in text and "pip install wordfreq" in text and "Free words: " in text


@pytest.mark.parametrize(
    ("word", "class_word", "captions", "said"),
    [
        ("ohwx", "fox", ("a fox asleep", None), []),
        ("ohwx", "fox", ("ohwx asleep", "ohwx, up"), []),
        ("Fox", "red fox", (), ["it is the class word 'red fox' or part of it"]),
        ("ohwx", "", ("ohwx", "a fox"), ["1 of 2 captions already contain it, perhaps with another meaning"]),
        ("ohwxs", "", ("ohwx asleep",), ["easily confused with 'ohwx' in the captions"]),
    ],
)
def test_clashes(word: str, class_word: str, captions: tuple[str | None, ...], said: list[str]):
    assert clashes(word, class_word, dataset_of(*captions)) == said


def test_lines_and_novels_are_refused(cache: TensorCache):
    for word in ("a\nb", "x" * 61):
        with pytest.raises(CaptionError, match="trigger word"):
            check(word, cache)


@settings(max_examples=25)
@given(st.text(max_size=20), st.sets(st.sampled_from(["zvok", "fox", "ohwx"])))
def test_proposals_are_the_same_each_time_and_free(seed: str, taken: set[str]):
    words = propose(seed, taken, None, 5)
    assert words == propose(seed, taken, None, 5)
    assert len(set(words)) == 5 and all(len(word) == 4 and word.isascii() for word in words)
    more = propose(seed, {*taken, *words}, None, 5)
    assert not set(more) & set(words)


def test_other_data_sets_get_other_words():
    assert not set(propose("a\nfox", (), None, 3)) & set(propose("b\nfox", (), None, 3))


def test_proposals_take_few_tokens(base: Backbone):
    chosen = [token_count(base, word) for word in propose("x", (), base, 8)]
    assert chosen == sorted(chosen)
    assert max(chosen) <= min(token_count(base, word) for word in propose("x", (), base, 200)[8:])


def test_the_words_of_comparison_hold():
    assert len(set(COMMON_WORDS + RANDOM_WORDS)) == 48
    assert not [w for w in RANDOM_WORDS if any(part.zipf for part in frequencies(w) or [])]
    assert all(part.zipf > 3.5 for w in COMMON_WORDS for part in frequencies(w) or [])
    assert max(reaction.TIMES) < 1

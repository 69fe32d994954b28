"""The search for a run's learning rate, which is kept in the run store."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import partial

from ..core.events import Event, Message
from ..core.keys import content_key
from ..core.locks import alone, lock_beside
from ..core.ranks import Ranks
from ..training.range_test import RangeTest, range_test, trial_recipe
from .inside import injected
from .key import Run
from .preparing import encoded, prepared
from .sharing import nothing
from .store import RunStore

_SEARCHING = "looking for a learning rate"


def with_found_rate(run: Run, store: RunStore, name: str, ranks: Ranks) -> Generator[Event, None, Run]:
    """The run with the learning rates that a range test finds, where its recipe asks for one; else as it is.

    From then on it is the run that these rates as numbers give, with the same key. The text encoder's rate keeps its
    proportion to the denoiser's.

    Args:
        run: checked.
        store: where a search is kept, so that it isn't made twice.
        name: of the result, for people.
        ranks: the processes that train together, of which the first makes the search.

    Raises:
        TrainingError: no rate makes the loss fall.
        StorageError: the search can't be kept.
    """
    if run.recipe.optimizer.rate_search == "none":
        return run
    made = yield from ranks.together(_tested(run, store, name) if ranks.leads else nothing())
    test = RangeTest.from_text(ranks.shared(made.to_text().encode() if made else b"").decode())
    assert test is not None, "rank 0 has sent its own"
    own = run.recipe.optimizer
    of_text_encoder = own.text_encoder_learning_rate * test.rate / own.learning_rate
    if ranks.leads:
        yield Message(text=f"{name}: {test.in_words()}")
    recipe = run.recipe.changed(
        learning_rate=test.rate, text_encoder_learning_rate=float(f"{of_text_encoder:.2g}"), rate_search="none"
    )
    return replace(run, recipe=recipe, range_test=test)


def _tested(run: Run, store: RunStore, name: str) -> Generator[Event, None, RangeTest]:
    """The range test of a run, made now or earlier."""
    trial = replace(run, recipe=trial_recipe(run.recipe))
    key = content_key("learning rate", trial.lineage)
    if (known := RangeTest.from_text(store.rates.get(key))) is not None:
        return known
    return (yield from alone(lock_beside(store.rates.folder, key[:24]), _SEARCHING, _searched(trial, key, store, name)))


def _searched(trial: Run, key: str, store: RunStore, name: str) -> Generator[Event, None, RangeTest]:
    if (known := RangeTest.from_text(store.rates.get(key))) is not None:  # another process has just made it
        return known
    yield Message(text=f"{name}: {_SEARCHING}")
    made = yield from encoded(trial, store, Ranks())
    with prepared(trial, made, partial(injected, trial)) as ready, ready.memory.applied():
        test = yield from range_test(
            trial.base, ready.trainee, trial.recipe, ready.loss, ready.memory.need_less_memory
        )  # fmt: skip
    store.rates.put(key, test.to_text())
    return test

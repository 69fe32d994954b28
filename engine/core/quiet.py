"""Loading without the libraries' chatter: their bars count files that a user never asked about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside the block diffusers and transformers show no bars and log errors alone; afterwards all is as it was.

    Other extensions of the same process use these libraries too, so nothing is switched off for good.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    with _hub_bars_kept(), _silent(diffusers_logging), _silent(transformers_logging):
        yield


@contextlib.contextmanager
def _silent(logging: ModuleType) -> Iterator[None]:
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def _hub_bars_kept() -> Iterator[None]:
    """transformers switches the hub's bars on together with its own, even where they were off before."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars

    were_off = are_progress_bars_disabled()
    try:
        yield
    finally:
        if were_off:
            disable_progress_bars()

"""Loading models without the progress bars and warnings of diffusers and transformers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within the block, diffusers and transformers show no progress bars and log only errors.

    Afterwards everything is as it was, since other extensions in the same process use these libraries too.
    """
    with without_warnings("bitsandbytes"):  # which the libraries import where it is installed
        from diffusers.utils import logging as diffusers_logging
        from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
        from transformers.utils import logging as transformers_logging

        were_off = are_progress_bars_disabled()
        try:
            with _silent(diffusers_logging), _silent(transformers_logging):
                yield
        finally:
            if were_off:  # transformers enables the hub's bars together with its own
                disable_progress_bars()


@contextlib.contextmanager
def without_warnings(library: str) -> Iterator[None]:
    """Within the block, a library that logs by Python's own means logs only errors."""
    logger = logging.getLogger(library)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _silent(settings: ModuleType) -> Iterator[None]:
    verbosity, bars = settings.get_verbosity(), settings.is_progress_bar_enabled()
    settings.set_verbosity_error()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        settings.set_verbosity(verbosity)
        if bars:
            settings.enable_progress_bar()

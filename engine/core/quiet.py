"""Loading models without the progress bars and warnings of diffusers and transformers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within the block, diffusers and transformers show no progress bars and log only errors.

    Afterwards everything is as it was, since other extensions in the same process use these libraries too.
    """
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

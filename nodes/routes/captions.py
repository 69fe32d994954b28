"""What galleries ask of captions: how many tokens they take, and to write them to their files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from threading import Lock
from typing import Any

from ...engine.core.errors import CaptionError
from ..host import host
from ..kit.galleries import Shown, kept_dataset
from ..kit.token_counts import counts, known_bases
from .table import MOST_AT_ONCE, PREFIX, Answer, Asked, Route, json_answer

_WRITING = Lock()
"""Two requests at once could each replace what the other one has just written."""


def tokens(asked: Asked) -> Answer:
    """How many tokens ``texts`` take, by the base models ``bases`` that the server knows, or else those of ``names``.

    Raises:
        CaptionError: these aren't lists of texts, or are too long.
    """
    texts, bases, names = (_texts(asked, name) for name in ("texts", "bases", "names"))
    known = known_bases(bases, names)
    told = [counts(known, text) for text in texts]
    return json_answer({"models": [base.name for base in known], "counts": told})


def write(asked: Asked) -> Answer:
    """Write ``captions`` by pictures' names to the caption files of a data set; with ``try``, only say what would be.

    Not to know the data set is no error, as in ``datasets.py``.

    Raises:
        CaptionError: the captions aren't texts by names, or too many.
    """
    shown = kept_dataset(str(asked.body.get("token", "")))
    if shown is None:
        return json_answer({"known": False})
    captions = _captions(asked)
    with _WRITING:
        return json_answer(_tried(shown, captions) if asked.body.get("try") else _written(shown, captions))


def _tried(shown: Shown, captions: Mapping[str, str]) -> dict[str, Any]:
    from ...engine.data.caption_files import plan_captions

    plan = plan_captions(shown.dataset, captions, host().caption_roots(), shown.written)
    return {
        "known": True,
        "replaced": [change.picture for change in plan.changes if change.before is not None],
        "made": [change.picture for change in plan.changes if change.before is None],
        "unchanged": len(plan.unchanged),
        "refused": _refusals(plan.refused),
        "backups": str(host().replaced_captions()),
    }


def _written(shown: Shown, captions: Mapping[str, str]) -> dict[str, Any]:
    from ...engine.data.caption_files import plan_captions, write_planned

    plan = plan_captions(shown.dataset, captions, host().caption_roots(), shown.written)
    backups = host().replaced_captions() / date.today().isoformat()
    done = write_planned(plan, backups, shown.written)
    return {
        "known": True,
        "written": list(done.written),
        "unchanged": len(plan.unchanged),
        "refused": _refusals(done.refused),
        "backups": [str(copy) for copy in done.backups],
    }


def _refusals(refused: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "reason": reason} for name, reason in refused.items()]


def _texts(asked: Asked, name: str) -> list[str]:
    given = asked.body.get(name)
    if isinstance(given, list) and len(given) <= MOST_AT_ONCE and all(isinstance(text, str) for text in given):
        return given
    raise CaptionError(f"{name} can't be used.", expected=f"a list of at most {MOST_AT_ONCE} texts")


def _captions(asked: Asked) -> dict[str, str]:
    given = asked.body.get("captions")
    if (
        isinstance(given, dict)
        and len(given) <= MOST_AT_ONCE
        and all(isinstance(caption, str) for caption in given.values())
    ):
        return given
    raise CaptionError("captions can't be used.", expected=f"at most {MOST_AT_ONCE} texts by names of pictures")


ROUTES = [Route("POST", f"{PREFIX}tokens", tokens), Route("POST", f"{PREFIX}captions", write)]

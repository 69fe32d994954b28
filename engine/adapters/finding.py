"""Finding an adapter's file by a name that a person wrote."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..core.errors import AdapterError
from ..core.words import counted, first_of

SUFFIX = ".safetensors"
_NEAR = 0.6
"""Similarity of names, between 0 and 1, as ``difflib`` counts it."""
_SHOWN = 3


def find(name: str, names: Sequence[str]) -> str:
    """The one of ``names`` that is meant.

    Slashes of both kinds are alike, ``.safetensors`` may be left out, and so may folders where no other adapter has
    the rest of the name. A name with all of its folders is preferred.

    Args:
        name: as it was written.
        names: of all adapters, with forward slashes.

    Raises:
        AdapterError: several are meant, or none; near names are told.
    """
    found = meant(name, names)
    if not found:
        raise _missing(name, names)
    if len(found) > 1:
        raise AdapterError(
            f"{name!r} may be {first_of(found, 5, ' or ')}.",
            expected="a name that only one adapter has",
            hint=f"write its folder too, such as {found[0].removesuffix(SUFFIX)}.",
        )
    return found[0]


def place(name: str, names: Sequence[str], path_of: Callable[[str], Path]) -> Path:
    """The file of an adapter, by a name that :func:`find` takes, or by a path of which ``path_of`` knows.

    Raises:
        AdapterError: several are meant, or none; near names are told.
    """
    if not meant(name, names):
        with contextlib.suppress(AdapterError):
            return path_of(name)
    return path_of(find(name, names))


def meant(name: str, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that may be meant; see :func:`find`."""
    wanted = _parts(name)
    ending = [known for known in names if wanted and _parts(known)[-len(wanted) :] == wanted]
    return [known for known in ending if _parts(known) == wanted] or ending


def _parts(name: str) -> tuple[str, ...]:
    """``("subjects", "fox")`` of ``subjects\\fox.safetensors``."""
    return PurePosixPath(name.strip().replace("\\", "/").removesuffix(SUFFIX)).parts


def near_names(name: str, files: Iterable[str]) -> list[str]:
    """The names most like one: those of files of this name in other folders, then others, by the last part alone."""
    by_stem: dict[str, list[str]] = {}
    for other in files:
        by_stem.setdefault(_stem(other), []).append(other)
    wanted = _stem(name)
    stems = [wanted] if wanted in by_stem else []
    stems += [stem for stem in difflib.get_close_matches(wanted, by_stem, _SHOWN, _NEAR) if stem != wanted]
    return [other for stem in stems for other in by_stem[stem]][:_SHOWN]


def _stem(name: str) -> str:
    stem = PurePosixPath(name).name.removesuffix(".safetensors")
    return stem.casefold().replace("-", "_").replace(" ", "_")


def _missing(name: str, names: Sequence[str]) -> AdapterError:
    near = near_names(name.strip().replace("\\", "/"), names)
    question = f"; did you mean {' or '.join(near)}?" if near else "."
    return AdapterError(
        f"There is no adapter {name!r}{question}",
        expected="" if near else f"one of {counted(len(names), 'adapter')}",
        hint="check the name; train and save it first, or copy the file into a folder for LoRAs.",
    )

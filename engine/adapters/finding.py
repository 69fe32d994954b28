"""Finding an adapter's file by a name that a person wrote."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from ..core.errors import AdapterError
from ..core.words import counted, first_of

SUFFIX = ".safetensors"
_NEAR = 0.5
"""Share of equal letters from which a name is worth a question."""
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


def _missing(name: str, names: Sequence[str]) -> AdapterError:
    stem = (_parts(name) or ("",))[-1].lower()
    stems = {known: _parts(known)[-1].lower() for known in names}
    close = difflib.get_close_matches(stem, stems.values(), _SHOWN, _NEAR)
    near = [known for known, own in stems.items() if own in close]
    question = f"; did you mean {' or '.join(near[:_SHOWN])}?" if near else "."
    return AdapterError(
        f"There is no adapter {name!r}{question}",
        expected="" if near else f"one of {counted(len(names), 'adapter')}",
        hint="check the name; train and save it first, or copy the file into a folder for LoRAs.",
    )

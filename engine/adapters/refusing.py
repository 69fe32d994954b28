"""What is refused of an adapter's tensors, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.errors import AdapterError, OtherKindError
from ..core.words import first_of
from .kinds import KINDS
from .names import FileKey
from .unused import reason

if TYPE_CHECKING:
    from torch import Tensor


_PIECE = 2**22
"""Values."""


def refuse_unknown(parsed: Mapping[str, FileKey | None], origin: str) -> None:
    """Refuse files that hold no adapter, or tensors that no known kind has.

    Args:
        parsed: name of each tensor -> what it is.
        origin: path or name, for errors.

    Raises:
        OtherKindError: naming some of these tensors, each with the reason.
    """
    unknown = [name for name, key in parsed.items() if key is None]
    if not any(key and key.part != "alpha" for key in parsed.values()):
        raise OtherKindError(
            f"{origin} isn't a LoRA" + (f": it holds {_explained(unknown)}." if unknown else ": it holds no factors."),
            expected="tensors with the names of kohya, PEFT, diffusers, ldm or ComfyUI",
            hint="choose an adapter file; base models are loaded by their own node.",
        )
    if unknown:
        raise OtherKindError(
            f"{origin} holds tensors that can't be used here: {_explained(unknown)}.",
            expected=f"only the tensors of an adapter ({', '.join(kind.name for kind in KINDS)})",
            hint="pictures would be wrong without these tensors. In ComfyUI, apply such files through a LORA_STACK.",
        )


def refuse_non_finite(tensors: Mapping[str, Tensor], name: str, expected: str, hint: str) -> None:
    """Refuse NaN and infinite values.

    Raises:
        AdapterError: naming the adapter and some of the tensors.
    """
    broken = [key for key, tensor in tensors.items() if not _all_finite(tensor)]
    if broken:
        raise AdapterError(
            f"The adapter {name} has NaN or infinite values in {len(broken)} tensors: {first_of(broken, 3)}.",
            expected=expected,
            hint=f"{hint}.",
        )


def _all_finite(tensor: Tensor) -> bool:
    """In pieces, since the check takes as much memory as what it checks."""
    return all(bool(piece.isfinite().all()) for piece in tensor.flatten().split(_PIECE))


def _explained(names: list[str]) -> str:
    """The first names, those first that are known for something."""
    shown = sorted(names, key=lambda name: not reason(name))
    return first_of([f"{name[:200]} ({why})" if (why := reason(name)) else name[:200] for name in shown], 3)

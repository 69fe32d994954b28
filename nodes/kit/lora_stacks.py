"""Between our stacks and the community's LORA_STACK, which lists files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from ..host import host, io
from .files import below_output, new_file
from .shown import tell
from .vault import adapter_at

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack, WeightedFile

Entry = tuple[str, float, float]
"""File name below the LoRA folders, weights for model and text encoder."""

NOTHING = ("", "None")
"""What other extensions write when no file is chosen."""


class Contents(NamedTuple):
    """The files of a LORA_STACK, read."""

    stack: Stack
    """Those of kinds that we read."""
    others: tuple[WeightedFile, ...]
    """Files of other kinds with a nonzero weight, which only ComfyUI's own patches can apply."""


def contents(lora_stack: Iterable[Any] | None) -> Contents:
    """Read the files of a LORA_STACK, or take them from memory if they were read recently.

    Raises:
        AdapterError: an entry is malformed, or its file is missing or damaged.
    """
    from ...engine.adapters.file_cache import FILES
    from ...engine.adapters.stack import Stack, StackEntry, WeightedFile
    from ...engine.core.errors import OtherKindError

    stack, others = Stack(), []
    with host().computing():
        for name, weight, text_encoder_weight in map(_checked, lora_stack or ()):
            if name in NOTHING:
                continue
            path = host().adapter_path(name)
            file = FILES.read(path)
            try:
                stack = stack.adding(StackEntry(adapter_at(path), weight, text_encoder_weight))
            except OtherKindError:
                if not file.self_contained:
                    raise  # ComfyUI would apply it at another strength
                if weight or text_encoder_weight:
                    others.append(WeightedFile(file, weight, text_encoder_weight))
    return Contents(stack, tuple(others))


def as_stack(lora_stack: Iterable[Any] | None) -> Stack:
    """A LORA_STACK as one of our stacks.

    Raises:
        AdapterError: a file is of a kind that only ComfyUI reads, or as for :func:`contents`.
    """
    from ...engine.core.errors import AdapterError

    stack, others = contents(lora_stack)
    if others:
        raise AdapterError(
            f"{', '.join(other.file.path.name for other in others)} in the LORA_STACK can't be added to an LW_STACK.",
            expected="LoRA, DoRA, LoHa, LoKr, OFT or full differences",
            hint="connect this LORA_STACK to Apply Stack directly, which lets ComfyUI apply them.",
        )
    return stack


def _checked(entry: Any) -> Entry:
    from ...engine.core.errors import AdapterError

    try:
        name, weight, text_encoder_weight = entry
        return str(name), float(weight), float(text_encoder_weight)
    except (TypeError, ValueError) as error:
        raise AdapterError(
            f"The LORA_STACK contains {entry!r}.",
            expected="a file name, a model weight and a text encoder weight in each entry",
            hint="connect the output of a node that returns a LORA_STACK.",
        ) from error


class Named(NamedTuple):
    """A stack as file names."""

    entries: list[Entry]
    saved: list[str]
    """Files saved for it, by their paths below the output folder."""


def named(stack: Stack) -> Named:
    """The active adapters by file name; those without a file in the LoRA folders are saved first, and so are those with
    block weights, which a LORA_STACK can't carry: their files have them in their tensors.

    Raises:
        AdapterError: a value is out of the range of float16, block weights can't be put into a file, or an adapter has
            a schedule or a mask.
        StorageError: the disk is full, or the folder isn't writable.
    """
    from ...engine.adapters.keeping import keep
    from ...engine.adapters.scaled_blocks import with_blocks

    stack.refuse_varying("a LORA_STACK")
    found, saved = [], []
    for entry in stack.active():
        adapter = with_blocks(entry)
        name = host().adapter_name(adapter.path) if adapter.path else None
        if name is None:
            with host().computing():
                path = keep(adapter, new_file(host().adapter_directory(), adapter.name)).path
            name = host().adapter_name(path) or path.name
            saved.append(below_output(path))
        found.append((name, entry.weight, entry.text_encoder_weight))
    return Named(found, saved)


def named_later(stack: Stack) -> Sequence[Entry]:
    """The entries of :func:`named`; files are saved when they are first looked at."""

    def make() -> list[Entry]:
        found = named(stack)
        tell("\n".join(f"saved for lora_stack: {file}" for file in found.saved))
        return found.entries

    return _Later(make)


def linked(cls: type[io.ComfyNode], output: str) -> bool:
    """Whether anything in the running graph is connected to an output of a node.

    Args:
        cls: the node class as ``execute`` gets it; its schema asks for ``unique_id`` and ``prompt``.
        output: id of the output.
    """
    if cls.hidden is None or cls.hidden.unique_id is None:
        return False
    # GET_SCHEMA would write to the class, which ComfyUI has locked while a node runs.
    outputs = [o.id for o in cls.define_schema().outputs]
    source = [cls.hidden.unique_id, outputs.index(output)]
    nodes = (cls.hidden.prompt or {}).values()
    return any(source == value for node in nodes for value in node.get("inputs", {}).values())


class _Later(Sequence[Entry]):
    """Entries that are computed when they are first looked at.

    ComfyUI caches a node's result even when the graph around it changes, so an unused output can be connected later
    without the node running again. Not a ``list``: ComfyUI looks into those to measure its cache.
    """

    def __init__(self, make: Callable[[], list[Entry]]) -> None:
        self._make = make

    @cached_property
    def _entries(self) -> list[Entry]:
        return self._make()

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __add__(self, more: list[Any]) -> list[Any]:
        return [*self, *more]

    def __radd__(self, before: list[Any]) -> list[Any]:
        return [*before, *self]

    def copy(self) -> list[Entry]:
        return [*self]

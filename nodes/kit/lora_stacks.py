"""Between our stacks and the community's LORA_STACK, which names files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from ..host import host, io
from .inputs import new_file
from .shown import tell

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.stack import Stack, WeightedFile

Entry = tuple[str, float, float]
"""Name below the folders for LoRAs, weight of the model, weight of the text encoder."""

NOTHING = ("", "None")
"""What other extensions write where no file is chosen."""


class Contents(NamedTuple):
    """What the files of a LORA_STACK hold."""

    stack: Stack
    """The plain LoRAs among them."""
    others: tuple[WeightedFile, ...]
    """Files of other kinds that change something, which only ComfyUI's own patches can apply."""


def contents(lora_stack: Iterable[Any] | None) -> Contents:
    """Read the files that a LORA_STACK names; those read a while ago come from memory.

    Raises:
        AdapterError: an entry isn't one, or its file is missing or damaged.
    """
    from ...engine.adapters.file_cache import FILES
    from ...engine.adapters.stack import Stack, StackEntry, WeightedFile
    from ...engine.core.errors import OtherKindError

    stack, others = Stack(), []
    with host().computing():
        for name, weight, text_encoder_weight in entries(lora_stack):
            file = FILES.read(host().adapter_path(name))
            try:
                stack = stack.adding(StackEntry(file.adapter, weight, text_encoder_weight))
            except OtherKindError:
                if weight or text_encoder_weight:
                    others.append(WeightedFile(file, weight, text_encoder_weight))
    return Contents(stack, tuple(others))


def as_stack(lora_stack: Iterable[Any] | None) -> Stack:
    """A LORA_STACK as one of ours.

    Raises:
        AdapterError: a file isn't a plain LoRA, or as for :func:`contents`.
    """
    from ...engine.core.errors import AdapterError

    stack, others = contents(lora_stack)
    if others:
        raise AdapterError(
            f"{', '.join(other.file.path.name for other in others)} in the LORA_STACK can't go on an LW_STACK.",
            expected="plain LoRA files",
            hint="link this LORA_STACK to Apply Stack directly, which takes other kinds too.",
        )
    return stack


def entries(lora_stack: Iterable[Any] | None) -> list[Entry]:
    """The entries of a LORA_STACK that name a file.

    Raises:
        AdapterError: one has another shape.
    """
    return [entry for entry in map(_checked, lora_stack or ()) if entry[0] not in NOTHING]


def _checked(entry: Any) -> Entry:
    from ...engine.core.errors import AdapterError

    try:
        name, weight, text_encoder_weight = entry
        return str(name), float(weight), float(text_encoder_weight)
    except (TypeError, ValueError) as error:
        raise AdapterError(
            f"The LORA_STACK holds {entry!r}.",
            expected="a name and two numbers in each entry: file, weight of the model, weight of the text encoder",
            hint="link the output of a node that gives a LORA_STACK.",
        ) from error


class Named(NamedTuple):
    """A stack by the names of its files."""

    entries: list[Entry]
    saved: list[str]
    """Files that were made for it, by their paths below the output folder."""


def named(stack: Stack) -> Named:
    """The active adapters by name; those that have no file in the folders for LoRAs get one.

    Raises:
        AdapterError: values that float16 can't hold.
        StorageError: the disk is full, or the folder can't be written.
    """
    found, saved = [], []
    for entry in stack.active():
        name = host().adapter_name(entry.adapter.path) if entry.adapter.path else None
        if name is None:
            path = _kept(entry.adapter)
            name = host().adapter_name(path) or path.name
            saved.append(path.relative_to(host().output_directory()).as_posix())
        found.append((name, entry.weight, entry.text_encoder_weight))
    return Named(found, saved)


def _kept(adapter: Adapter) -> Path:
    """A file that holds the adapter, written if it isn't there."""
    from ...engine.adapters.keeping import keep

    with host().computing():
        return keep(adapter, new_file(host().adapter_directory(), adapter.name)).path


def named_later(stack: Stack) -> Sequence[Entry]:
    """The same entries as :func:`named` gives, and their files, made when somebody first looks at them."""

    def make() -> list[Entry]:
        found = named(stack)
        tell("\n".join(f"saved for lora_stack: {file}" for file in found.saved))
        return found.entries

    return _Later(make)


def linked(cls: type[io.ComfyNode], output: str) -> bool:
    """Whether the graph that runs uses an output of the node inside ``execute``.

    Args:
        cls: its class, whose schema asks for ``unique_id`` and ``prompt``.
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
    """Entries that are made when somebody first looks.

    A result stays valid when the graph around its node changes, so an output that nothing was linked to can be linked
    to later without the node running again. Not a ``list``: ComfyUI looks into those to measure its cache.
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

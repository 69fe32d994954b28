"""From the named tensors of a file to the update of each module: nothing is dropped without a word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import AdapterError
from ..core.words import counted, first_of
from .dtypes import computable, refuse_whole_numbers
from .kinds import Update, read_update
from .kinds.dora import NORMS
from .names import FileKey, flat, parse
from .refusing import refuse_non_finite, refuse_unknown
from .scales import declared_in, kohya_alpha
from .scaling import Given, scale_of
from .summing import summed
from .unused import EMBEDDING

if TYPE_CHECKING:
    from torch import Tensor

_COMFYUI = "diffusion_model."
"""How ComfyUI's own trainer names layers; its OFT has an alpha of another meaning."""


class Contents(NamedTuple):
    """What the tensors of a file are."""

    updates: dict[str, Update]
    """Module, as the file names it -> update."""
    embeddings: dict[str, Tensor]
    """Name -> tensor, of trained words that came in the same file."""
    scale: str
    """Where the strength comes from, in words."""
    notes: tuple[str, ...]
    """What was left out or changed, one sentence each."""
    portable: bool
    """Whether programs that read only the tensors, one for each part of a module, apply it as strongly."""


@dataclass
class _Module:
    """The tensors of one module under one name."""

    key: str
    parts: dict[str, Tensor] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Part -> name of its tensor."""


def contents(
    tensors: Mapping[str, Tensor],
    origin: str,
    *,
    metadata: Mapping[str, str] | None = None,
    configs: Mapping[str, Mapping[str, Any]] | None = None,
) -> Contents:
    """The adapter that named tensors are.

    Args:
        tensors: as in a file.
        origin: path or name, for errors.
        metadata: of the file's header.
        configs: peft's configurations beside the file; see :func:`~.scales.declared_in`.

    Raises:
        OtherKindError: they aren't those of an adapter of a known kind, or not only those.
        AdapterError: values aren't finite, parts don't fit each other, or the scale can't be known.
    """
    embeddings = {name: tensor for name, tensor in tensors.items() if name.startswith(EMBEDDING)}
    values = computable({name: tensor for name, tensor in tensors.items() if name not in embeddings}, origin)
    idle = [name for name, tensor in values.tensors.items() if _changes_nothing(name, tensor)]
    parsed = {name: parse(name) for name in values.tensors if name not in idle}
    refuse_unknown(parsed, origin)
    used = {name: key for name, key in parsed.items() if key}
    found = {name: values.tensors[name] for name in used}
    refuse_whole_numbers(found, origin)
    named = _modules(used, found, origin)
    modules = [module for module in named if module.parts.keys() != {"alpha"}]
    given = _scales(modules, metadata or {}, configs or {})
    norms = (metadata or {}).get(NORMS, "")
    try:
        updates = _updates(modules, given, norms)
    except ValueError as error:
        raise AdapterError(
            f"{origin} is damaged: {error}.",
            expected="all parts of one kind of adapter per module, such as down (rank, in, …) and up (out, rank, …)",
            hint="copy, download or export the file again.",
        ) from error
    refuse_non_finite(found, Path(origin).name, "finite values", "its training diverged; use an earlier snapshot")
    doubled = len(modules) - len(updates)
    told = _told(alphas=len(named) - len(modules), biases=len(idle), doubled=doubled, embeddings=embeddings)
    notes = (*values.notes, *given.notes, *told)
    portable = not (given.elsewhere or values.scaled or doubled)
    return Contents(updates, embeddings, given.source, notes, portable)


def _changes_nothing(name: str, tensor: Tensor) -> bool:
    """Whether it is the change of a bias, and zero, as some trainers write them for every layer."""
    return name.endswith((".diff_b", ".lora_B.bias")) and not tensor.any()


def _modules(keys: Mapping[str, FileKey], tensors: Mapping[str, Tensor], origin: str) -> list[_Module]:
    found: dict[str, _Module] = {}
    for name, key in keys.items():
        module = found.setdefault(key.stem, _Module(key.module))
        if key.part in module.parts:
            raise AdapterError(
                f"{origin} has two tensors for one part of {key.module}: {module.names[key.part]} and {name}.",
                expected="one adapter in a file",
                hint="save each adapter into a file of its own, and stack them.",
            )
        module.parts[key.part], module.names[key.part] = tensors[name], name
    return [*found.values()]


def _scales(modules: list[_Module], metadata: Mapping[str, str], configs: Mapping[str, Mapping[str, Any]]) -> Given:
    declared = declared_in(metadata, configs)
    with_alpha = sum("alpha" in module.parts for module in modules)
    names = [name for module in modules for name in module.names.values()]
    alpha = None
    if not declared and not with_alpha and any(".lora_down." in name for name in names):
        downs = [module.parts["down"] for module in modules if "down" in module.parts]
        alpha = kohya_alpha(metadata, [len(down) for down in downs if down.ndim])
    peft = any("base_model.model." in name for name in names)
    return Given(declared, alpha, with_alpha=with_alpha, modules=len(modules), peft=peft)


def _updates(modules: Iterable[_Module], given: Given, norms: str) -> dict[str, Update]:
    found: dict[str, list[tuple[str, Update]]] = defaultdict(list)
    for module in modules:
        found[flat(module.key)].append((module.key, _update(module, given, norms)))
    return {named[0][0]: summed([update for _, update in named], named[0][0]) for named in found.values()}


def _update(module: _Module, given: Given, norms: str) -> Update:
    declared = given.for_component(module.key.split(".", 1)[0])
    scale = scale_of(module.parts, module.key, given)
    settings = dict(declared.config) if declared else {}
    if any(name.startswith(_COMFYUI) for name in module.names.values()):
        settings["oft_alpha"] = "norm"
    if "magnitude" in module.parts:  # peft's names, which ComfyUI doesn't know, are another part
        settings[NORMS] = norms
    return read_update(module.parts, module.key, scale=scale, settings=settings)


def _told(*, alphas: int, biases: int, doubled: int, embeddings: Mapping[str, Tensor]) -> Iterable[str]:
    if alphas:
        yield f"{counted(alphas, 'alpha')} without factors, left out."
    if biases:
        yield f"{counted(biases, 'change')} of biases by zero."
    if doubled:
        yield f"{counted(doubled, 'module')} with two names; both count."
    if embeddings:
        words = sorted({name.removeprefix(EMBEDDING).rsplit(".", 1)[0].split(".string_to")[0] for name in embeddings})
        yield f"Trained words {first_of(words)}, which aren't applied; they stay in the file when it is saved."

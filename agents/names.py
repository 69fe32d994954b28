"""Names of tools and arguments, and addresses of resources: from names of adapters, stacks, workflows and inputs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

SCHEME = "adapter://"
_LONGEST = 40
"""Characters: clients put their own before it, and many allow 64 in all."""
_HASH = 6


def tool_names(begin: str, names: Iterable[str]) -> Mapping[str, str]:
    """Name of a tool -> what it is the tool of.

    A tool's name follows from its subject's alone, not from an order. Those that would be alike, that are too long, or
    that have no plain letters, end in a hash of the whole name.

    Args:
        begin: of all of them, such as ``draw``.
        names: such as ``styles/Riso.safetensors``.
    """
    listed = sorted(set(names))
    plain = {name: _plain(name) for name in listed}
    shared = Counter(plain.values())
    found = {}
    for name in listed:
        own = plain[name]
        if not own or shared[own] > 1 or len(own) > _LONGEST:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
            own = "_".join(filter(None, [own[:_LONGEST].strip("_"), digest]))
        found[f"{begin}_{own}"] = name
    return found


class InputPlace(NamedTuple):
    """Where an input of a workflow is."""

    name: str
    title: str
    """Of its node; empty if it has none."""
    node: str
    """Id."""


def argument_names(places: Sequence[InputPlace], taken: Collection[str] = ()) -> list[str]:
    """Names of a tool's arguments, each once: the input's own; where several have it, with the node's title before it.

    Where titles don't tell them apart either, or have no plain letters, the node's id stands before it.

    Args:
        places: of the inputs.
        taken: names of other arguments.
    """
    own = [_identifier(place.name) for place in places]
    titled = [f"{title}_{name}" if (title := _plain(place.title)[:_LONGEST].strip("_")) else ""
              for place, name in zip(places, own, strict=True)]  # fmt: skip
    numbered = [f"{_identifier(place.node)}_{name}" for place, name in zip(places, own, strict=True)]
    names = own
    for clearer in (titled, numbered):
        counted = Counter([*names, *taken])
        names = [name if name and counted[name] == 1 else other for name, other in zip(names, clearer, strict=True)]
    return names


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text)


def _plain(name: str) -> str:
    """``styles_riso`` of ``styles/Riso.safetensors``; empty for a name without any ASCII letter or digit."""
    letters = unicodedata.normalize("NFKD", name.removesuffix(".safetensors")).casefold()
    ascii_only = letters.encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_")


def address_of(name: str) -> str:
    """The resource of an adapter: ``adapter://styles/riso``."""
    return SCHEME + quote(name.removesuffix(".safetensors").encode("utf-8", "surrogateescape"), safe="/")


def adapter_at(address: str) -> str | None:
    """The name in an address, without suffix; ``None`` if it is none of an adapter."""
    return unquote(address.removeprefix(SCHEME)).strip("/") if address.startswith(SCHEME) else None

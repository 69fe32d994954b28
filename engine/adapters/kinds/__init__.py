"""Kinds of adapter: the contract, and one file per kind. Importing this package registers them."""

from ...core.errors import AdapterError
from ...core.registry import Registry
from .contract import KINDS, AdapterKind, TrainableKind, Update
from .dora import Decomposed, Dora
from .full import Difference, Full
from .gralora import Gralora
from .loha import Hadamard, Loha
from .lokr import Kronecker, Lokr
from .lora import Lora, LowRank
from .oft import Oft, Rotation
from .peft_oft import InputRotation, PeftOft
from .reading import read_update, unreadable

for kind in (Lora(), Dora(), Loha(), Lokr(), Oft(), PeftOft(), Full()):
    KINDS.register(kind.name, kind)

TRAINED: Registry[TrainableKind] = Registry("kind of adapter to train", AdapterError)
"""The kinds that recipes offer."""
for kind in KINDS:
    if isinstance(kind, TrainableKind):
        TRAINED.register(kind.name, kind)
TRAINED.register(Gralora.name, Gralora())  # whose files are LoRA's

__all__ = [
    "KINDS",
    "TRAINED",
    "AdapterKind",
    "Decomposed",
    "Difference",
    "Dora",
    "Full",
    "Gralora",
    "Hadamard",
    "InputRotation",
    "Kronecker",
    "Loha",
    "Lokr",
    "Lora",
    "LowRank",
    "Oft",
    "PeftOft",
    "Rotation",
    "TrainableKind",
    "Update",
    "read_update",
    "unreadable",
]

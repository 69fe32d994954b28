"""Kinds of adapter: the contract, and one file per kind. Importing this package registers them."""

from .contract import KINDS, AdapterKind, Update
from .lora import Lora, LowRank

KINDS.register(Lora.name, Lora())

__all__ = ["KINDS", "AdapterKind", "Lora", "LowRank", "Update"]

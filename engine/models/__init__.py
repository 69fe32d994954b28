"""Base models: the contract, and one file a family."""

from . import sd1
from .registry import register

register("sd1", recognizes=sd1.recognizes, load=sd1.load)

"""Base models: the contract, and one file a family."""

from . import sd1
from .registry import register

register("sd1", recognises=sd1.recognises, load=sd1.load)

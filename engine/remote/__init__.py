"""Hosted trainers: a data set goes out, an adapter comes back, and is paid for once.

``contract.py`` says what a provider does, and a file each implements it; ``training.py`` is the way from an
order to an adapter.
"""

from .civitai import Civitai
from .contract import PROVIDERS
from .fal import Fal
from .replicate import Replicate

for _provider in (Replicate, Fal, Civitai):
    PROVIDERS.register(_provider.name, _provider)

"""What a provider of trainings does, and the values that go to and fro: one file a provider implements it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..core.errors import ConfigError
from ..core.events import Event
from ..core.registry import Registry
from ..data.dataset import Dataset

if TYPE_CHECKING:
    from .api import Api

State = Literal["waiting", "running", "done", "failed", "canceled"]


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """A program that a provider trains with."""

    data: str = ""
    """Its input that takes the pictures."""
    trigger: str = ""
    """Its input that takes the trigger word; empty if it has none."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Values of further inputs, unless the order has others."""
    family: str = ""
    """Of its base model, as :data:`~..models.FAMILIES` calls it; empty if that isn't known."""
    base: str = ""
    """Its base model, for people."""
    rate: float | None = None
    """The learning rate that it has by itself, as far as published."""
    usd_per_step: float | None = None
    """As published; ``None`` if it isn't."""
    least_steps: int = 0
    """Billed even if fewer are asked for."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A training as it is ordered."""

    provider: str
    trainer: str
    """As the provider calls it."""
    steps: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further inputs of the trainer, by its own names."""
    trigger: str = ""
    """Trigger word; empty if there is none."""
    destination: str = ""
    """Where the provider keeps the result too, if it asks for a place; no part of the key."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a provider tells of the price before a training."""

    amount: float | None
    """In all; ``None`` if it tells none."""
    currency: str = ""
    words: str = ""
    """How it comes about, one sentence."""

    def __str__(self) -> str:
        if self.amount is None:
            return self.words
        return f"{self.amount:.2f} {self.currency}. {self.words}".strip()


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a job is."""

    state: State
    words: str = ""
    """For a job that waits or runs, where it is; for one that failed, why."""
    done: int = 0
    total: int = 0
    """0 if nothing is counted."""


class Provider(ABC):
    """A provider, with the account that a token belongs to.

    All that asks it something is a generator of signs of life, so that a host can stop waiting; ``start`` sends its
    request once, everything else may be repeated.

    Args:
        api: the HTTP client with the token.
        base_url: in place of the provider's own hosts, for a proxy or a stand-in.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    hosts: ClassVar[Mapping[str, str]]
    """What for -> address without a slash at the end."""
    scheme: ClassVar[str] = "Bearer"
    """Before the token in the header ``Authorization``."""
    variables: ClassVar[tuple[str, ...]]
    """Environment variables that may hold the token, in order."""
    url_variable: ClassVar[str]
    """Environment variable with the address to use in place of ``hosts``."""
    page: ClassVar[str]
    """Where a person sees all jobs."""
    trainers: ClassVar[Mapping[str, Trainer]]
    """Those that are known, the default first."""
    other: ClassVar[Trainer]
    """What is assumed of others."""
    lists_all: ClassVar[bool]
    """Whether its list has jobs from the moment they are accepted, so that one that isn't in it wasn't started."""
    takes_destination: ClassVar[bool] = False
    """Whether the result also becomes part of something of the user's there."""

    def __init__(self, api: Api, base_url: str = "") -> None:
        self.api, self._base_url = api, base_url.rstrip("/")

    @classmethod
    def trainer(cls, name: str) -> Trainer:
        return cls.trainers.get(name.partition(":")[0], cls.other)

    @classmethod
    def default_trainer(cls) -> str:
        return next(iter(cls.trainers))

    def url(self, path: str, of: str = "jobs") -> str:
        """An address of the provider.

        Args:
            path: begins with a slash.
            of: what for, a key of ``hosts``.
        """
        return (self._base_url or self.hosts[of]) + path

    @classmethod
    def check(cls, order: Order, dataset: Dataset) -> None:
        """Refuse what the provider can't do, before anything is sent.

        Raises:
            ConfigError: an input of the order is missing or wrong.
            DatasetError: the data set is too large, or of a kind that isn't trained on.
        """
        del order, dataset

    @abstractmethod
    def price(self, order: Order, pictures: int) -> Generator[Event, None, Price]:
        """What it will cost; starts nothing, sends no pictures."""

    @abstractmethod
    def upload(self, order: Order, dataset: Dataset, folder: Path) -> Generator[Event, None, Any]:
        """Send the pictures; gives what the start request names them by, as JSON.

        Args:
            order: the order.
            dataset: the pictures.
            folder: for temporary files; removed afterwards.
        """

    @abstractmethod
    def start(self, order: Order, uploaded: Any, mark: str) -> Generator[Event, None, str]:
        """Start the job, with one request; gives its number.

        Args:
            order: the order.
            uploaded: what ``upload`` gave.
            mark: unique, to find the job by.

        Raises:
            RemoteError: it was refused: nothing was started.
            DoubtError: whether it was started isn't known.
        """

    @abstractmethod
    def find(self, order: Order, uploaded: Any, mark: str, since: float) -> Generator[Event, None, list[str]]:
        """The numbers of jobs of this order in the provider's list, newest first.

        Args:
            order: the order.
            uploaded: as for ``start``.
            mark: as for ``start``.
            since: when the start was asked for, in seconds since the epoch.
        """

    @abstractmethod
    def status(self, order: Order, job: str) -> Generator[Event, None, Status]:
        """How far a job is.

        Raises:
            RemoteError: it isn't known there.
        """

    @abstractmethod
    def cancel(self, order: Order, job: str) -> Generator[Event, None, None]:
        """Ask for the end of a job; one that has ended already is no error."""

    @abstractmethod
    def result(self, order: Order, job: str) -> Generator[Event, None, str]:
        """The address of the adapter of a job that is done: a safetensors file, or an archive with one."""


PROVIDERS: Registry[type[Provider]] = Registry("provider of trainings", ConfigError)
"""By name."""

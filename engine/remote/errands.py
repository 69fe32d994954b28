"""An order on its way: what is asked for, and where what is known of it is kept."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ..core.errors import ConfigError, RemoteError
from ..core.events import Event
from ..core.ownership import partial_suffix
from ..core.storage import cannot_write
from ..core.words import counted
from ..data.dataset import Dataset
from ..runs.about import About
from ..runs.store import RunStore
from ..runs.train import Graph
from .api import Api
from .contract import PROVIDERS, Order, Price, Provider
from .jobs import Job, read_job, write_job
from .orders import key_of
from .terms import Terms
from .tokens import Token, token_of

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One order, from this machine's point of view."""

    order: Order
    dataset: Dataset
    store: RunStore
    name: str
    """Of the adapter."""
    terms: Terms
    graph: Graph = field(default_factory=Graph)
    """That it is part of, for the metadata of its file."""

    @property
    def kind(self) -> type[Provider]:
        return PROVIDERS.get(self.order.provider)

    @property
    def title(self) -> str:
        """The provider's."""
        return self.kind.title

    @cached_property
    def lineage(self) -> str:
        """What the run store keeps it under."""
        return key_of(self.order, self.dataset)

    @property
    def folder(self) -> Path:
        return self.store.folder(self.lineage)

    @property
    def path(self) -> Path:
        """Of the adapter's file."""
        return self.store.finished(self.lineage, self.order.steps)

    def job(self) -> Job:
        """What is known of its job, which may not have been started."""
        new = Job(provider=self.order.provider, trainer=self.order.trainer, steps=self.order.steps)
        return read_job(self.folder) or new

    def written(self, job: Job) -> Job:
        return write_job(self.folder, job)

    def settled(self, job: Job) -> bool:
        """Whether what the provider says of a job counts: a start request can't be under way any more."""
        return time.time() - job.asked_at > self.terms.patience.settled

    def about(self) -> About:
        """For the list of runs."""
        known = self.kind.trainer(self.order.trainer)
        return About(
            name=self.name, base=known.base or self.order.trainer, family=known.family, dataset=self.dataset.name,
            pictures=len(self.dataset), steps=self.order.steps, seed=0,
        )  # fmt: skip

    def bill(self, price: Price) -> str:
        """What is sent to whom, and for how much."""
        told = (
            f"{counted(len(self.dataset), 'picture')} to {self.title}, {self.order.trainer}, {self.order.steps} steps"
        )
        return f"{told}. Price: {price}"

    def understood(self, asking: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """What a provider tells, where its answers have the form that they are known to have.

        Raises:
            RemoteError: they don't.
        """
        try:
            return (yield from asking)
        except (AttributeError, TypeError, KeyError, IndexError, ValueError) as error:
            raise RemoteError(
                f"{self.title} answered in a form that isn't known here ({type(error).__name__}).",
                expected="its interface as it was in November 2026",
                hint="run again; if it stays so, its interface has changed. What was started goes on.",
            ) from error

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder for temporary files; those of killed processes are swept.

        Raises:
            StorageError: it can't be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            place = tempfile.TemporaryDirectory(prefix=".hosted.", suffix=partial_suffix(self.folder), dir=self.folder)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        with place as folder:
            yield Path(folder)

    @contextmanager
    def connected(self) -> Iterator[Provider]:
        """The provider, with the user's token.

        Raises:
            ConfigError: there is no token, it stands in the order, or httpx isn't installed.
        """
        kind = self.kind
        base_url = self.terms.base_url or os.environ.get(kind.url_variable, "")
        token = token_of(kind.name, kind.title, kind.variables)
        self._refuse_secret(token)
        own = [base_url] if base_url else kind.hosts.values()
        api = Api(kind.title, token, kind.scheme, own, self.terms.patience)
        try:
            yield kind(api, base_url)
        finally:
            api.close()

    def _refuse_secret(self, token: Token) -> None:
        """The order, its name and the graph become part of files; captions are sent away."""
        captions = [record.caption for record in self.dataset]
        places = {"order itself": (self.order, self.name), "graph": self.graph, "captions": captions}
        if found := [place for place, texts in places.items() if token.is_in(repr(texts))]:
            raise ConfigError(
                f"The token for {self.title} stands in the {found[0]}.",
                expected="it in the environment or the keyring alone",
                hint="take it out of the node or the file, and make a new token if others have seen it.",
            )

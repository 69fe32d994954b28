"""Ordering hosted trainings of stand-ins, without long waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lora_workbench.engine.core.events import Event, Message, Progress
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.remote.contract import Order
from lora_workbench.engine.remote.orders import order_of
from lora_workbench.engine.remote.patience import Patience
from lora_workbench.engine.remote.terms import Terms
from lora_workbench.engine.remote.training import HostedAdapter, cancel_hosted, train_hosted
from lora_workbench.engine.runs.store import RunStore

QUICK = Patience(
    poll=0.01, first=0.01, longest=0.02, most_asked=0.05, connect=2, answer=5, looks=(0.0, 0.01), outage=60
)


def terms(**changes: Any) -> Terms:
    return Terms(**{"patience": QUICK, **changes})


class Ordering:
    """Orders trainings of one data set at one provider, and keeps what they said."""

    def __init__(self, provider: str, dataset: Dataset, store: RunStore) -> None:
        self.provider, self.dataset, self.store = provider, dataset, store
        self.events: list[Event] = []

    def order(self, **changes: Any) -> Order:
        destination = "me/fox" if self.provider == "replicate" else ""
        return order_of(self.provider, self.dataset, **{"steps": 1000, "destination": destination, **changes})

    def begin(
        self, *, terms: Terms | None = None, name: str = "fox", base: Any = None, graph: Any = None, **changes: Any
    ) -> Iterator[Event]:
        terms = terms or Terms(patience=QUICK)
        return train_hosted(
            self.order(**changes), self.dataset, store=self.store, name=name, terms=terms, base=base, graph=graph
        )  # fmt: skip

    def __call__(self, **options: Any) -> HostedAdapter:
        events = self.begin(**options)
        while True:
            try:
                self.events.append(next(events))
            except StopIteration as finished:
                return finished.value

    def cancel(self) -> None:
        for _ in cancel_hosted(self.order(), self.dataset, store=self.store, terms=terms()):
            pass

    @property
    def said(self) -> str:
        """All messages."""
        return "\n".join(event.text for event in self.events if isinstance(event, Message))

    @property
    def counted(self) -> list[Progress]:
        return [event for event in self.events if isinstance(event, Progress)]

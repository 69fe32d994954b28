"""The resume bundle: everything that a run needs to go on as if it had never stopped, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import TrainingError
from ..core.storage import save_with

if TYPE_CHECKING:
    from torch import Tensor, nn, optim

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """A run between two steps.

    Pictures and noise of the coming steps follow from seed and step, so no generator's state is part of it.
    """

    step: int
    """Steps done."""
    losses: list[float]
    """One a step done."""
    factors: Mapping[str, Tensor]
    """Adapter parameters, float32, by the names of ``Injection.parameters``."""
    moments: Mapping[str, Tensor]
    """AdamW's state: ``exp_avg.<name>`` and ``exp_avg_sq.<name>``."""

    @staticmethod
    def capture(
        step: int, losses: list[float], parameters: Mapping[str, nn.Parameter], optimizer: optim.Optimizer
    ) -> TrainingState:
        """The state as it is now; tensors are copied to the CPU."""
        moments = {
            f"{moment}.{name}": optimizer.state[parameter][moment].detach().cpu().clone()
            for name, parameter in parameters.items()
            if parameter in optimizer.state
            for moment in _MOMENTS
        }
        factors = {name: parameter.detach().cpu().clone() for name, parameter in parameters.items()}
        return TrainingState(step=step, losses=list(losses), factors=factors, moments=moments)

    def restore_optimizer(self, parameters: Mapping[str, nn.Parameter], optimizer: optim.Optimizer) -> None:
        """Put AdamW where it was."""
        import torch

        for name, parameter in parameters.items():
            if f"exp_avg.{name}" in self.moments:
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.step), device=parameter.device),
                    **{m: self.moments[f"{m}.{name}"].to(parameter.device, copy=True) for m in _MOMENTS},
                }

    def save(self, path: Path) -> None:
        """Write the bundle atomically."""
        from safetensors.torch import save_file

        tensors = {f"factor.{k}": v for k, v in self.factors.items()} | {
            f"moment.{k}": v for k, v in self.moments.items()
        }
        about = {"step": str(self.step), "losses": json.dumps(self.losses)}
        save_with(path, lambda name: save_file(tensors, name, metadata=about))

    @staticmethod
    def load(path: Path) -> TrainingState:
        """Read a bundle.

        Raises:
            TrainingError: the file is damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), "pt") as file:
                about = file.metadata()
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise TrainingError(
                f"The resume bundle {path.name} can't be read: {error}",
                hint=f"delete {path} to train from the start.",
            ) from error

        def part(prefix: str) -> dict[str, Tensor]:
            return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

        return TrainingState(
            step=int(about["step"]),
            losses=json.loads(about["losses"]),
            factors=part("factor."),
            moments=part("moment."),
        )

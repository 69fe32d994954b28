"""The training state: everything a run needs to resume as if it had never stopped, in one safetensors file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import TrainingError
from ..core.storage import save_with

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn, optim

_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """A run between two steps.

    Pictures and noise of later steps depend on the seed and the step alone, so no random state is part of it.
    """

    step: int
    """Steps done."""
    losses: list[float]
    """One per step done."""
    values: Mapping[str, Tensor]
    """Trained parameters, float32, by the names of ``Trainee.parameters``."""
    optimizer: Mapping[str, Any]
    """The optimizer's state, flat: ``state.<parameter>.<key>`` and ``param_groups.<parameter>.<key>``, as
    ``torch.distributed.checkpoint.state_dict`` flattens it. Tensors and plain values."""
    scaler: Mapping[str, float] = field(default_factory=dict)
    """State of the gradient scaler; empty if none is used."""
    parts: Mapping[str, list[float]] = field(default_factory=dict)
    """Part of the loss -> its value at each step done; empty if there is one part alone."""
    average: Mapping[str, Tensor] = field(default_factory=dict)
    """Moving averages of the parameters, by the same names; empty if there are none."""

    @staticmethod
    def capture(
        step: int,
        losses: list[float],
        parameters: Mapping[str, nn.Parameter],
        optimizer: optim.Optimizer,
        scaler: torch.amp.GradScaler | None = None,
        parts: Mapping[str, list[float]] | None = None,
        average: Mapping[str, Tensor] | None = None,
    ) -> TrainingState:
        """The current state, with tensors copied to the CPU.

        Raises:
            TrainingError: the optimizer's state can't be serialized.
        """
        return TrainingState(
            step=step,
            losses=list(losses),
            values={name: _copied(parameter) for name, parameter in parameters.items()},
            optimizer=flatten(parameters, optimizer),
            scaler=scaler.state_dict() if scaler is not None else {},
            parts={name: list(values) for name, values in (parts or {}).items()},
            average={name: _copied(value) for name, value in (average or {}).items()},
        )

    def save(self, path: Path) -> None:
        """Write the state to a file, atomically."""
        from safetensors.torch import save_file
        from torch import Tensor

        tensors = {f"value.{name}": value for name, value in self.values.items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= {f"optimizer.{key}": value for key, value in self.optimizer.items() if isinstance(value, Tensor)}
        plain = {key: value for key, value in self.optimizer.items() if not isinstance(value, Tensor)}
        about = {
            "step": str(self.step),
            "losses": json.dumps(self.losses),
            "parts": json.dumps(dict(self.parts)),
            "optimizer": json.dumps(plain),
            "scaler": json.dumps(dict(self.scaler)),
        }
        save_with(path, lambda name: save_file(tensors, name, metadata=about))

    @staticmethod
    def load(path: Path) -> TrainingState:
        """Read a state from a file.

        Raises:
            TrainingError: the file is damaged, or not a training state.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), "pt") as file:
                about = file.metadata()
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            part = {
                prefix: {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
                for prefix in ("value.", "optimizer.", "average.")
            }
            return TrainingState(
                step=int(about["step"]),
                losses=json.loads(about["losses"]),
                values=part["value."],
                optimizer=part["optimizer."] | json.loads(about["optimizer"]),
                scaler=json.loads(about["scaler"]),
                parts=json.loads(about.get("parts", "{}")),
                average=part["average."],
            )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"The training state {path.name} can't be read: {error}",
                expected="a file written by a training run",
                hint=f"delete {path} to train from the start.",
            ) from error


def flatten(parameters: Mapping[str, nn.Parameter], optimizer: optim.Optimizer) -> dict[str, Any]:
    """The state of any optimizer, keyed by the names of its parameters.

    Raises:
        TrainingError: it holds something other than tensors and plain values.
    """
    names = {id(parameter): name for name, parameter in parameters.items()}
    flat: dict[str, Any] = {}
    for parameter, state in optimizer.state.items():
        flat |= {f"state.{names[id(parameter)]}.{key}": value for key, value in state.items()}
    for group in optimizer.param_groups:
        settings = {key: value for key, value in group.items() if key != "params"}
        for parameter in group["params"]:
            flat |= {f"param_groups.{names[id(parameter)]}.{key}": value for key, value in settings.items()}
    return {key: _storable(key, value) for key, value in flat.items()}


def restore(flat: Mapping[str, Any], parameters: Mapping[str, nn.Parameter], optimizer: optim.Optimizer) -> None:
    """Load a flattened state into an optimizer, whose parameters have the same names but may be on another device."""
    from torch import Tensor

    by_parameter: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, value in flat.items():
        place, _, name = key.rpartition(".")
        by_parameter[place][name] = value
    current = optimizer.state_dict()
    names = {id(parameter): name for name, parameter in parameters.items()}
    for saved, group in zip(current["param_groups"], optimizer.param_groups, strict=True):
        for number, parameter in zip(saved["params"], group["params"], strict=True):
            name = names[id(parameter)]
            if state := by_parameter.get(f"state.{name}"):
                current["state"][number] = dict(state)
            for key, value in by_parameter[f"param_groups.{name}"].items():
                saved[key] = tuple(value) if isinstance(group.get(key), tuple) else value
    optimizer.load_state_dict(current)
    for parameter, state in optimizer.state.items():  # torch has put tensors on their devices, but changed their dtypes
        for key, value in by_parameter[f"state.{names[id(parameter)]}"].items():
            if isinstance(value, Tensor):
                state[key] = _like(parameter, value).to(state[key].device)


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """A copy of a state's tensor in the memory format of its parameter: fused kernels use one stride for both."""
    import torch

    if value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
    return value.clone()


def _storable(key: str, value: Any) -> Any:
    from torch import Tensor

    if isinstance(value, Tensor):
        return _copied(value)
    if isinstance(value, (list, tuple)) and all(isinstance(part, _PLAIN) for part in value):
        return list(value)
    if isinstance(value, _PLAIN):
        return value
    raise TrainingError(
        f"The optimizer keeps {key} of type {type(value).__name__}, which a training state can't hold.",
        expected="tensors, numbers and strings",
        hint="choose another optimizer.",
    )


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone().contiguous()

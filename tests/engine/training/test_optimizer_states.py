"""What optimizers are said to keep is what they keep."""

from __future__ import annotations

import pytest
import torch
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.training.optimizer_states import state_bytes
from lora_workbench.engine.training.optimizers import OPTIMIZERS


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_an_optimizer_keeps_what_is_counted(name: str) -> None:
    shapes = [(64, 128), (4, 320), (320,), (64, 32, 3, 3), (16, 64, 1, 1)]
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    try:
        optimizer = OPTIMIZERS.get(name)([{"params": parameters, "lr": 1e-3}], weight_decay=0.0)
    except ConfigError as missing:
        pytest.skip(str(missing))
    if hasattr(optimizer, "train"):
        optimizer.train()
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    kept = [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.ndim
    ]
    assert state_bytes(name, parameters) == sum(value.nbytes for value in kept)

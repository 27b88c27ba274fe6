"""Optimizers and schedules against their formulas."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from artgen.config import OptimizerConfig, ScheduleConfig
from artgen.engine.optimizers import Muon, build_optimizers, orthogonalize, pack, unpack
from artgen.engine.schedule import learning_rate_factor


def test_orthogonalize_keeps_directions_and_levels_singular_values() -> None:
    torch.manual_seed(0)
    for rows, columns in ((8, 8), (8, 20), (20, 8)):
        u, s, vh = torch.linalg.svd(torch.randn(3, rows, columns), full_matrices=False)
        result = orthogonalize(u @ torch.diag_embed(s) @ vh).float()
        core = u.mT @ result @ vh.mT  # diagonal, if the singular directions are kept
        values = torch.diagonal(core, dim1=1, dim2=2)
        assert (core - torch.diag_embed(values)).abs().max() < 0.1
        kept = values[s / s.norm(dim=1, keepdim=True) > 0.05]
        assert 0.6 < kept.min() and kept.max() < 1.3


def test_muon_step_is_its_formula() -> None:
    torch.manual_seed(1)
    weight = nn.Parameter(torch.randn(12, 6))
    other = nn.Parameter(torch.randn(12, 6))
    begun = [weight.detach().clone(), other.detach().clone()]
    optimizer = Muon([weight, other], lr=0.1, momentum=0.9, weight_decay=0.5)
    momentum = [torch.zeros(12, 6), torch.zeros(12, 6)]
    for step in range(2):
        gradients = [torch.randn(12, 6, generator=torch.Generator().manual_seed(10 * step + i)) for i in range(2)]
        weight.grad, other.grad = (g.clone() for g in gradients)
        optimizer.step()
        for i, gradient in enumerate(gradients):
            momentum[i] = 0.9 * momentum[i] + 0.1 * gradient
            update = 0.1 * gradient + 0.9 * momentum[i]
            step_taken = orthogonalize(update[None])[0].float()
            begun[i] = begun[i] * (1 - 0.1 * 0.5) - 0.1 * (12 / 6) ** 0.5 * step_taken
    for parameter, expected in zip((weight, other), begun, strict=True):
        torch.testing.assert_close(parameter.detach(), expected, atol=5e-3, rtol=1e-2)  # bf16 inside, where the CPU has it


def test_muon_takes_hidden_matrices_only_and_vectors_are_not_decayed() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 4)
            self.hidden = nn.Linear(4, 4)
            self.head = nn.Linear(4, 5)

        def vocabulary_parameters(self):  # type: ignore[no-untyped-def]
            yield self.head.weight

    net = Net()
    adamw, muon = build_optimizers(OptimizerConfig(name="muon", weight_decay=0.3), [net])
    assert [id(p) for g in muon.param_groups for p in g["params"]] == [id(net.hidden.weight)]
    decays = {id(p): g["weight_decay"] for g in adamw.param_groups for p in g["params"]}
    assert decays[id(net.embed.weight)] == decays[id(net.head.weight)] == 0.3
    assert decays[id(net.hidden.bias)] == decays[id(net.head.bias)] == 0.0
    assert len(decays) == 4


def test_packed_optimizers_continue_exactly() -> None:
    def grown(steps: int, optimizers: list[torch.optim.Optimizer], net: nn.Module) -> None:
        for step in range(steps):
            x = torch.randn(3, 4, generator=torch.Generator().manual_seed(step))
            net(x).square().sum().backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()

    config = OptimizerConfig(name="muon")
    torch.manual_seed(0)
    a = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))
    first = build_optimizers(config, [a])
    grown(3, first, a)
    b = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))
    b.load_state_dict(a.state_dict())
    second = build_optimizers(config, [b])
    tensors, numbers = pack(first)
    unpack(second, {key: value.clone() for key, value in tensors.items()}, numbers)
    grown(4, first, a)
    grown(4, second, b)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("name", ["constant", "cosine", "trapezoid"])
def test_schedules_rise_then_fall_to_the_floor(name: str) -> None:
    schedule = ScheduleConfig(name=name, warmup=10, cooldown=0.5, floor=0.2)  # type: ignore[arg-type]
    factors = [learning_rate_factor(schedule, step, 100) for step in range(101)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert factors[10] == 1.0
    assert all(a >= b for a, b in zip(factors[10:], factors[11:], strict=False))
    if name == "trapezoid":
        assert factors[50] == 1.0
        assert factors[75] == pytest.approx(0.2 + 0.8 * 0.5)
    assert factors[100] == pytest.approx(1.0 if name == "constant" else 0.2)

"""A measured figure beside its aim."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str
    aim: float
    lower_is_better: bool = False

    @property
    def reached(self) -> bool:
        return self.value <= self.aim if self.lower_is_better else self.value >= self.aim

"""How well questions are dealt with, in figures; each says what it counts (`DEFINITIONS`)."""

from agent.figures.definitions import DEFINITIONS
from agent.figures.figures import Figures, Spread, Tally, figures

__all__ = ["DEFINITIONS", "Figures", "Spread", "Tally", "figures"]

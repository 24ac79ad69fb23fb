"""How well questions are dealt with, in figures; each says what it counts (`DEFINITIONS`)."""

from agent.figures.definitions import DEFINITIONS
from agent.figures.figures import Figures, Spread, Tally, figures
from agent.figures.listing import Line, Of, count, lines

__all__ = [
    "DEFINITIONS",
    "Figures",
    "Line",
    "Of",
    "Spread",
    "Tally",
    "count",
    "figures",
    "lines",
]

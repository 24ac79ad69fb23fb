"""The composition root: the only place that takes Settings apart and picks concrete classes."""

from __future__ import annotations

from agent.bootstrap.application import Application, build
from agent.bootstrap.knowledge import open_egress, open_knowledge
from agent.bootstrap.levels import hours_of, level_findings, open_levels
from agent.bootstrap.opening import (
    make_data_folder,
    open_access,
    open_clock,
    open_database,
    open_directory,
    open_embedded_database,
    open_promotions,
)
from agent.bootstrap.policies import review_policy, rules_of
from agent.bootstrap.serving import api_ports, desk_ports, entrance
from agent.bootstrap.simulating import for_terminal, simulator, simulator_ports
from agent.bootstrap.teaching import open_teaching, open_translator

__all__ = [
    "Application",
    "api_ports",
    "build",
    "desk_ports",
    "entrance",
    "for_terminal",
    "hours_of",
    "level_findings",
    "make_data_folder",
    "open_access",
    "open_clock",
    "open_database",
    "open_directory",
    "open_egress",
    "open_embedded_database",
    "open_knowledge",
    "open_levels",
    "open_promotions",
    "open_teaching",
    "open_translator",
    "review_policy",
    "rules_of",
    "simulator",
    "simulator_ports",
]

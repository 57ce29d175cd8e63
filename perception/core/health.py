"""How well a part is doing, and why: what `/diagnostics`, reports and logs say about it."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """Ordered from good to bad; the numbers are those of `diagnostic_msgs/DiagnosticStatus`."""

    OK = 0
    DEGRADED = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Health:
    """A level with the reason for it. An empty reason belongs to OK only."""

    level: Level = Level.OK
    reason: str = ""


OK = Health()


def worst(*states: Health) -> Health:
    """The worst of several states; the reasons of all states of that level, joined."""
    level = max((state.level for state in states), default=Level.OK)
    reasons = [state.reason for state in states if state.level == level and state.reason]
    return Health(level, "; ".join(reasons))

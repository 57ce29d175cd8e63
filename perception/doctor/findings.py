"""What a check says, and how findings are shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from perception.core.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Group

Level = Literal["ok", "warn", "error"]
STYLES = {"ok": "green", "warn": "yellow", "error": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. Anything that is not ok names its remedy."""

    level: Level
    check: str  # what was looked at, e.g. "threads: OMP_PROC_BIND"
    value: str  # what was found
    remedy: str = ""  # what to do about it; for ok: a hint, mostly empty

    def __post_init__(self) -> None:
        if self.level not in STYLES or (self.level != "ok" and not self.remedy):
            raise InvalidInput(
                f"finding {self.check!r}: level {self.level!r} with remedy {self.remedy!r}; name a remedy"
            )


def ok(check: str, value: str, hint: str = "") -> Finding:
    """Nothing to do."""
    return Finding("ok", check, value, hint)


def warn(check: str, value: str, remedy: str) -> Finding:
    """Works, but not as well as it could, or only by luck."""
    return Finding("warn", check, value, remedy)


def error(check: str, value: str, remedy: str) -> Finding:
    """Something will not work, or will give wrong results."""
    return Finding("error", check, value, remedy)


def exit_code(findings: Iterable[Finding]) -> int:
    """1 when there is an error, else 0."""
    return int(any(finding.level == "error" for finding in findings))


def to_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Plain values for JSON."""
    return [{name: getattr(finding, name) for name in Finding.__dataclass_fields__} for finding in findings]


def verdict(findings: Sequence[Finding]) -> str:
    """One sentence over all findings."""
    errors, warnings = (sum(f.level == level for f in findings) for level in ("error", "warn"))
    return f"{len(findings)} checks: {errors} errors, {warnings} warnings"


def table(title: str, findings: Sequence[Finding]) -> "Group":
    """The findings for the terminal; what comes from files and topics is shown as it is, never as markup."""
    from rich.box import SIMPLE
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    made.add_column("", no_wrap=True)
    made.add_column("check", no_wrap=True)
    made.add_column("found", overflow="fold")
    for finding in findings:
        found = Text(finding.value)
        if finding.remedy:
            found.append(f"\n-> {finding.remedy}", "cyan")
        made.add_row(Text(finding.level, STYLES[finding.level]), Text(finding.check), found)
    return Group(Text(f"{title}: {verdict(findings)}", "bold"), made)

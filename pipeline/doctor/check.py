"""What one look at the installation has found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report.

    Attributes:
        state: ok; warning: works, but not as well or not for everything; problem: will fail.
        advice: what to do; "" where nothing is to be done.
    """

    name: str
    state: State
    found: str
    advice: str = ""


def table(checks: Iterable[Check]) -> str:
    """Return checks as aligned text, the advice below its line."""
    checks = list(checks)
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.state:<8} {check.name:<{width}}  {check.found}")
        if check.advice:
            lines.append(f"{'':<8} {'':<{width}}  -> {check.advice}")
    count = {s: sum(c.state == s for c in checks) for s in ("ok", "warning", "problem")}
    return "\n".join([*lines, ", ".join(f"{n} {state}" for state, n in count.items())])

"""One line of the doctor's report, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "missing", "note"]
_MARKS = {"good": "ok", "missing": "--", "note": "  "}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        what: The thing that was examined.
        verdict: "good", "missing" (the machine would do better with it), or "note".
        found: What was found.
        advice: How to get what is missing.
    """

    what: str
    verdict: Verdict
    found: str
    advice: str | None = None


def report(findings: list[Finding]) -> str:
    """The findings as lines of text."""
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.verdict]}  {finding.what:<{width}}  {finding.found}")
        if finding.advice:
            lines.append(f"    {'':<{width}}  -> {finding.advice}")
    return "\n".join(lines)

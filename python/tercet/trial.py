"""Canaries and experiments: what is tried on a part of a deployment's traffic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from tercet._times import from_micros


@dataclass(frozen=True)
class Arm:
    """What one release did during a trial, over all processes on the project."""

    #: of the release
    number: int
    #: answered or failed; refused and faulty requests are nobody's
    requests: int
    #: of those: the model failed, or its deadline passed
    failures: int
    #: microseconds of answers, to 6 percent
    p50_us: float
    p99_us: float
    #: labels that arrived, their mean and standard deviation
    outcomes: int
    outcome_mean: float
    outcome_deviation: float


@dataclass(frozen=True)
class Canary:
    """A release that takes over step by step, or goes back by itself."""

    #: number of its release, and of the one that it is judged against
    number: int
    served: int
    #: "running", "promoted", "rolled_back" or "stopped"
    state: str
    #: percent of the requests that it gets now
    percent: float
    #: the plan as `Deployment.start_canary` takes it
    plan: dict[str, Any]
    started: datetime
    #: what it waits for while it runs; then why it ended
    why: str
    #: the served release, then the canary, in this step
    arms: list[Arm]

    @classmethod
    def _of(cls, record: dict[str, Any]) -> "Canary":
        return cls(record["number"], record["served"], record["state"], record["percent"],
                   record["plan"], from_micros(record["started_us"]), record["why"],
                   [Arm(**arm) for arm in record["arms"]])

    def __str__(self) -> str:
        return (f"canary of release {self.number} against {self.served}: {self.state} at "
                f"{self.percent:g} percent; {self.why}\n" + _table(self.arms))


@dataclass(frozen=True)
class ArmDifference:
    """An arm's mean outcome less the served one's, with an interval that covers at every look."""

    number: int
    difference: float
    #: None until both arms have a hundred outcomes
    low: float | None
    high: float | None
    #: always valid: the chance that it is ever so small without a difference is at most itself
    p_value: float
    #: "better", "worse" or "open"
    verdict: str
    #: how the interval narrowed: outcomes, difference, low, high
    series: list[dict[str, float]]


class Experiment:
    """Releases compared by what became of their answers; look as often as you like.

    The intervals are those of the mixture sequential probability ratio test (Johari, Koomen,
    Pekelis, Walsh: Always Valid Inference, Operations Research 70(3), 2022): they cover the true
    difference at all looks together with probability 1 − alpha, so stopping when one likes what one
    sees does no harm.
    """

    def __init__(self, report: dict[str, Any]):
        described = report["experiment"]
        #: "running" or "stopped"
        self.state: str = described["state"]
        self.plan: dict[str, Any] = described["plan"]
        self.started: datetime = from_micros(described["started_us"])
        #: the served release first
        self.arms: list[Arm] = [Arm(**arm) for arm in report["arms"]]
        self.differences: list[ArmDifference] = [ArmDifference(**one)
                                                 for one in report["differences"]]

    def __str__(self) -> str:
        lines = [f"experiment {self.state}; {self.plan['better']} outcomes are better",
                 _table(self.arms)]
        for one in self.differences:
            interval = ("no interval yet" if one.low is None
                        else f"within [{one.low:.4g}, {one.high:.4g}], p = {one.p_value:.3g}")
            lines.append(f"release {one.number} - {self.arms[0].number}: {one.difference:+.4g}, "
                         f"{interval}: {one.verdict}")
        return "\n".join(lines)

    def svg(self, width: int = 640, height: int = 220) -> str:
        """The differences and their intervals over the outcomes, as a picture."""
        panels = [_panel(one, width, height) for one in self.differences]
        total = height * max(len(panels), 1)
        parts = [f'<g transform="translate(0,{i * height})">{panel}</g>'
                 for i, panel in enumerate(panels)]
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" '
                f'width="{width}" height="{total}" font-family="sans-serif" font-size="11">'
                + "".join(parts) + "</svg>")

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>{self.svg()}"

    __repr__ = __str__


def _table(arms: list[Arm]) -> str:
    header = ("release", "requests", "failed", "p50 us", "p99 us", "outcomes", "mean")
    rows = [header] + [(str(arm.number), str(arm.requests), str(arm.failures), f"{arm.p50_us:.4g}",
                        f"{arm.p99_us:.4g}", str(arm.outcomes), f"{arm.outcome_mean:.4g}")
                       for arm in arms]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return "\n".join("  ".join(cell.rjust(size) for cell, size in zip(row, widths))
                     for row in rows)


def _panel(one: ArmDifference, width: int, height: int) -> str:
    left, right, top, bottom = 60, width - 12, 24, height - 28
    title = f'<text x="{left}" y="14">release {one.number}: {escape(one.verdict)}</text>'
    series = one.series
    if not series:
        return title + f'<text x="{left}" y="{height // 2}">too few outcomes yet</text>'
    # The first intervals are so wide that nothing else would be seen.
    last = series[-1]
    reach = 4 * max(last["high"] - last["low"], 1e-12)
    low = min(last["difference"] - reach, 0.0)
    high = max(last["difference"] + reach, 0.0)
    most = max(last["outcomes"], 1)

    def x(outcomes: float) -> float:
        return left + (right - left) * outcomes / most

    def y(value: float) -> float:
        return bottom - (bottom - top) * (min(max(value, low), high) - low) / (high - low)

    upper = [f"{x(point['outcomes']):.1f},{y(point['high']):.1f}" for point in series]
    lower = [f"{x(point['outcomes']):.1f},{y(point['low']):.1f}" for point in reversed(series)]
    line = [f"{x(point['outcomes']):.1f},{y(point['difference']):.1f}" for point in series]
    return (title +
            f'<polygon points="{" ".join(upper + lower)}" fill="#9ecae1" fill-opacity="0.6"/>'
            f'<polyline points="{" ".join(line)}" fill="none" stroke="#08519c"/>'
            f'<line x1="{left}" x2="{right}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="#333" '
            'stroke-dasharray="4 3"/>'
            f'<text x="{left - 6}" y="{y(0) + 4:.1f}" text-anchor="end">0</text>'
            f'<text x="{left - 6}" y="{top + 8}" text-anchor="end">{high:.3g}</text>'
            f'<text x="{left - 6}" y="{bottom}" text-anchor="end">{low:.3g}</text>'
            f'<text x="{right}" y="{height - 8}" text-anchor="end">{most} outcomes</text>')

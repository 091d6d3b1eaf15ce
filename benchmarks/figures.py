"""Figures with the reach that is asked of them, as a table and as JSON."""

import json
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, structs


class Figure(Struct, frozen=True):
    """One line of the table.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: of the figure; ``x`` for a ratio.
        reach: what is asked of it; None where nothing is.
        sense: whether the reach is the least or the most.
        beside: what helps to read it.
    """

    name: str
    value: float
    unit: str
    reach: float | None = None
    sense: Literal["at least", "at most"] = "at most"
    beside: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the figure is as asked; None where nothing is."""
        if self.reach is None:
            return None
        return self.value >= self.reach if self.sense == "at least" else self.value <= self.reach


def table(figures: Sequence[Figure]) -> str:
    """The figures in aligned columns."""
    rows = [("", "measured", "reach", "", "beside")]
    for figure in figures:
        reach = f"{figure.sense} {figure.reach:g}" if figure.reach is not None else ""
        verdict = {None: "", True: "yes", False: "NO"}[figure.reached]
        rows.append((figure.name, f"{figure.value:.3g} {figure.unit}", reach, verdict, figure.beside))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4])).rstrip()
        for row in rows
    )


def as_json(figures: Sequence[Figure]) -> str:
    """The figures for a machine."""
    return json.dumps([{**structs.asdict(figure), "reached": figure.reached} for figure in figures], indent=1) + "\n"

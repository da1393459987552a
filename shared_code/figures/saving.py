"""Writing a figure: picture, numbers and words side by side, with the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.figures import style
from shared_code.figures.request import Drawn, Request, names_in


def save(drawn: Drawn, request: Request, folder: Path) -> str:
    """Write SVG, PNG (2x), CSV (the numbers drawn) and JSON (the words); give the name without its ending."""
    name = f"{request.plan.stem}.{request.name}"
    svg = {"Date": None, "Creator": None, "Title": request.figure.caption, "Description": drawn.alt}
    drawn.picture.savefig(folder / f"{name}.svg", format="svg", metadata=svg)
    drawn.picture.savefig(folder / f"{name}.png", format="png", dpi=2 * style.SCREEN, metadata={"Software": None})
    drawn.numbers.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.10g")
    text = json.dumps(describe(drawn, request), indent=2, ensure_ascii=False) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return name


def describe(drawn: Drawn, request: Request) -> dict[str, Any]:
    """Put into words what the figure is, for the page that shows it."""
    numbers: pd.DataFrame = drawn.numbers
    inside = sorted({site for cell in numbers.get("sites", []) for site in names_in(cell)})
    inches = drawn.picture.get_size_inches()
    return {
        "analysis": request.plan.stem, "name": request.name, "kind": request.figure.kind,
        "title": request.figure.caption,
        "caption": f"{request.figure.caption.rstrip('.')}. {drawn.subtitle}".strip(),
        "subtitle": drawn.subtitle, "notes": drawn.notes, "alt": drawn.alt,
        "drawn": not drawn.nothing, "reason": drawn.nothing,
        "sites": inside, "sites_without": [s for s in request.site_titles if s not in inside],
        "width": round(inches[0] * style.SCREEN), "height": round(inches[1] * style.SCREEN),
    }  # fmt: skip

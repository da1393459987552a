"""Draw every figure that the analyses of a study declare, into one folder, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from shared_code.config.plan import Plan
from shared_code.config.study import Study
from shared_code.figures import (
    availability,
    beside_context,
    calibration,
    caterpillar,
    change,
    coefficients,
    curves,
    flow,
    forest,
    funnel,
    gradient,
    heat_map,
    heterogeneity,
    intervals,
    lever,
    pairs,
    rank_caterpillar,
    ratios,
    run_chart,
    scorecards,
    strata,
    style,
    together,
    trend,
    ward_map,
    words,
)
from shared_code.figures.checks import problems
from shared_code.figures.page import empty_page
from shared_code.figures.request import Drawn, NothingToDraw, Request, numbers_of, read_results
from shared_code.figures.saving import save
from shared_code.model import Refused

KINDS: dict[str, Callable[[Request], Drawn]] = {
    "ratios": ratios.draw, "gradient": gradient.draw, "caterpillar": caterpillar.draw, "trend": trend.draw,
    "change": change.draw, "heat_map": heat_map.draw, "strata": strata.draw, "flow": flow.draw, "funnel": funnel.draw,
    "forest": forest.draw, "leave_one_out": forest.leave_one_out, "cumulative": forest.cumulative,
    "heterogeneity": heterogeneity.draw,
    "availability": availability.draw, "coefficients": coefficients.draw, "curves": curves.draw, "pairs": pairs.draw,
    "lever": lever.draw,
    "ward_map": ward_map.draw, "rank_caterpillar": rank_caterpillar.draw, "beside_context": beside_context.draw,
    "scorecards": scorecards.draw,
    "intervals": intervals.draw, "event_study": intervals.event_study, "run_chart": run_chart.draw, "together": together.draw,
    "calibration": calibration.draw,
}  # fmt: skip


def draw_figures(study: Study, pooled: Path, target: Path) -> list[str]:
    """Draw all figures and give their names, `<stem>.<name>`.

    pooled  folder with results.csv and sites.csv     target  folder that is replaced as a whole
    Writes <stem>.<name>.svg, .png (2x), .csv (exactly the numbers drawn) and .json (title, caption, description).
    Raises model.Refused when results are missing or an entry names what the study does not declare; the old folder
    then stays as it is. A figure without any estimate becomes a picture that says why.
    """
    asked = list(requests(study, Path(pooled)))
    wrong = [problem for request in asked for problem in problems(request)]
    if wrong:
        raise Refused(f"The figures of study {study.study}", wrong)
    target = Path(target)
    partial, old = (target.with_name(target.name + ending) for ending in (".partial", ".old"))
    for folder in (partial, old):
        shutil.rmtree(folder, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with style.look():
            names = [save(draw_one(request), request, partial) for request in asked]
        if target.exists():
            target.replace(old)
        partial.replace(target)
    finally:
        for folder in (partial, old):
            shutil.rmtree(folder, ignore_errors=True)
    return names


def requests(study: Study, pooled: Path) -> Iterator[Request]:
    """List the figures that are declared, each with the results it may use."""
    results, sites = read_results(pooled)
    for stem, entry in study.analyses.items():
        every = results[results["analysis"] == stem]
        mine, strata = (every[(every["stratum"] == "") == whole].reset_index(drop=True) for whole in (True, False))
        who = sites[sites["analysis"] == stem].reset_index(drop=True)
        for name, figure in entry.figures.items():
            yield Request(Plan(study, stem), name, figure, mine, who, pooled / "cells", strata)


def draw_one(request: Request) -> Drawn:
    """Draw one figure, or a picture that says why there is nothing to draw. Call inside `style.look()`."""
    try:
        return KINDS[request.figure.kind](request)
    except NothingToDraw as nothing:
        reason = words.sentence(str(nothing))
        alt = words.description([f"Nothing is drawn for: {request.figure.caption}", reason])
        page = empty_page(request.figure.caption, reason)
        return Drawn(page.figure, numbers_of([]), alt, nothing=reason)

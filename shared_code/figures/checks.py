"""Checking what the study asks of its figures, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator

from shared_code.config.indices import Index
from shared_code.figures.request import Request
from shared_code.model import UNKNOWN, Problem, did_you_mean, few

# kind -> settings it needs, settings it may have
SETTINGS: dict[str, tuple[set[str], set[str]]] = {
    "ratios": ({"group", "level"}, {"measure"}),
    "gradient": ({"group", "items"}, {"measure"}),
    "caterpillar": ({"item"}, set()),
    "trend": (set(), {"items", "mark"}),
    "change": (set(), {"items"}),
    "heat_map": (set(), set()),
    "strata": (set(), {"item", "measure"}),
    "flow": (set(), set()),
    "funnel": ({"item"}, {"measure"}),
    "forest": ({"item"}, {"group", "level", "sex", "measure"}),
    "leave_one_out": ({"item"}, {"group", "level", "sex"}),
    "cumulative": ({"item"}, {"group", "level", "sex"}),
    "heterogeneity": (set(), set()),
    "availability": (set(), set()),
    "intervals": ({"measure"}, {"rows", "group", "by", "items", "published", "line", "note", "levels"}),
    "event_study": ({"along", "against"}, set()),
    "curves": ({"along"}, {"measure", "measures", "group", "item", "levels", "same", "lowest"}),
    "pairs": ({"table"}, {"targets"}),
    "lever": (set(), set()),
    "ward_map": ({"index"}, {"items", "boundaries", "hexagons"}),
    "rank_caterpillar": ({"index"}, set()),
    "scorecards": ({"index"}, {"places"}),
    "beside_context": ({"index", "context"}, set()),
    "coefficients": ({"model"}, set()),
    "run_chart": ({"along", "item"}, set()),
    "together": ({"patterns", "marks"}, set()),
    "calibration": ({"along"}, {"sites"}),
}


ONE_ITEM = ("caterpillar", "forest", "leave_one_out", "cumulative", "run_chart")  # kinds that show one item


def problems(request: Request) -> Iterator[Problem]:
    """List what is wrong with the settings of one figure."""
    kind = request.figure.kind
    place = f"study.yaml, analyses.{request.plan.stem}.figures.{request.name}"
    needed, possible = SETTINGS[kind]
    allowed = sorted(needed | possible)
    for name in sorted(needed - set(request.figure.settings)):
        yield Problem(place, f"the kind {kind} needs the setting {name}", few(allowed), f"Add {name}")
    for name in request.figure.settings:
        if name not in allowed:
            wrong = f"the kind {kind} has no setting {name!r}{did_you_mean(name, allowed)}"
            yield Problem(place, wrong, few(allowed) or "no settings", "Correct or remove it")
    if "index" in needed:
        yield from _index(request, place)
        return
    yield from _items(request, place)
    yield from _group(request, place)
    tables = [step.table for step in request.plan.entry.pooled]
    if kind == "pairs" and request.setting("table") is not None and request.setting("table") not in tables:
        yield Problem(f"{place}.table", f"{request.setting('table')!r} is not pooled here", few(tables), "Correct it")
    yield from _patterns(request, place)
    models = list(request.plan.entry.models)
    if kind == "coefficients" and request.setting("model") is not None and request.setting("model") not in models:
        named = str(request.setting("model"))
        wrong = f"{named!r} is not a model of this analysis{did_you_mean(named, models)}"
        yield Problem(f"{place}.model", wrong, few(models) or "none is declared", "Correct it")
    mark = request.setting("mark")
    if mark is not None and kind == "trend" and mark not in _months(request):
        months = list(_months(request))
        span = f"{months[0]} to {months[-1]}" if months else "this analysis has no months"
        yield Problem(f"{place}.mark", f"{mark!r} is not a month of this analysis", span, "Correct the month")


def _index(request: Request, place: str) -> Iterator[Problem]:
    """Find an index that the analysis does not show, and items that the index does not have."""
    shown, name = request.plan.entry.indices, request.setting("index")
    if name not in shown:
        yield Problem(f"{place}.index", f"{name!r} is not an index of this analysis{did_you_mean(str(name), shown)}", few(shown),
                      "Name it under indices: of the analysis")  # fmt: skip
        return
    titles = Index.read(name).titles
    for item in request.setting("items", []):
        if item not in titles:
            wrong = f"{item!r} is not an item of the index {name}{did_you_mean(str(item), titles)}"
            yield Problem(f"{place}.items", wrong, few(titles, 20), "Correct it")


def _items(request: Request, place: str) -> Iterator[Problem]:
    named = request.setting("items", [])
    if not isinstance(named, list):
        yield Problem(f"{place}.items", f"{named!r} is not a list", "a list, [first, second]", "Put it in brackets")
        named = []
    if "items" in request.figure.settings and not named:
        yield Problem(f"{place}.items", "no item is named", few(request.item_titles), "Name at least one item")
    for item in [*named, *([request.setting("item")] if request.figure.kind in ONE_ITEM else [])]:
        if item is not None and item not in request.item_titles:
            wrong = f"{item!r} is not an item of this analysis{did_you_mean(item, request.item_titles)}"
            yield Problem(f"{place}.item{'s' if item in named else ''}", wrong, few(request.item_titles), "Correct it")


def _patterns(request: Request, place: str) -> Iterator[Problem]:
    """Find combinations that are no items of the analysis, or are made of marks that have no words."""
    marks = request.setting("marks", {})
    for item, made_of in request.setting("patterns", {}).items():
        if item not in request.item_titles:
            wrong = f"{item!r} is not an item of this analysis{did_you_mean(str(item), request.item_titles)}"
            yield Problem(f"{place}.patterns", wrong, few(request.item_titles), "Correct it")
        for mark in made_of:
            if mark not in marks:
                wrong = f"{mark!r} has no words{did_you_mean(str(mark), marks)}"
                yield Problem(f"{place}.patterns.{item}", wrong, few(marks), "Name it under marks")


def _group(request: Request, place: str) -> Iterator[Problem]:
    group = request.setting("group")
    if group is None or (group == "everyone" and request.figure.kind in ONE_ITEM):
        return
    tables = [request.plan.results(step.table) for step in request.plan.entry.pooled]
    groups = [name for table in tables for name, d in table.dimensions.items() if not d.local]
    if group not in groups:
        wrong = f"{group!r} is not a dimension of this analysis{did_you_mean(group, groups)}"
        yield Problem(f"{place}.group", wrong, few(dict.fromkeys(groups)), "Correct it")
        return
    level, levels = request.setting("level"), [code for code in request.levels(group) if code != UNKNOWN]
    if level is not None and level not in levels:
        wrong = f"{level!r} is not a level of {group}{did_you_mean(level, levels)}"
        yield Problem(f"{place}.level", wrong, few(levels), 'Correct it; write numbers in quotation marks, "1"')


def _months(request: Request) -> dict[str, str]:
    for step in request.plan.entry.pooled:
        for dimension in request.plan.results(step.table).dimensions.values():
            if dimension.months:
                return dimension.levels() or {}
    return {}

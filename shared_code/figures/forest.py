"""Forest plot: what each site found, what they find together, and where another site would lie; and without each in turn."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from shared_code.figures import style, words
from shared_code.figures.page import Key, Page
from shared_code.figures.request import POOLED, SITE, Drawn, Request, numbers_of
from shared_code.pooling.results import BAYES, COMMON, OWN, RANDOM

LOSO, JOINED_UP_TO = "loso:", "joined:"
MANY = 14  # rows above which they are lower
ROW, ROW_LOW = 0.24, 0.155  # inches
TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 4, 5, 10, 20, 50, 100]


def draw(request: Request) -> Drawn:
    """Draw the estimate of every site with its interval and weight, and below them the pooled one with its prediction interval.

    settings  item; group, level and sex where there are several; measure (default: what a meta-analysis gives)
    Sites that are not in it stand at the end with the reason.
    """
    measure = request.setting("measure")
    rows = chosen(request)
    own = rows[rows["scope"].str.startswith(SITE) & (rows["measure"] == (measure or OWN))]
    pooled = rows[(rows["scope"] == POOLED) & rows["measure"].isin([measure] if measure else [RANDOM, COMMON])]
    bayes = rows[(rows["scope"] == POOLED) & (rows["measure"] == BAYES) & rows["pi_lo"].notna()]
    if len(bayes) and pooled["pi_lo"].isna().all():  # two sites: their common effect once, and what a prior makes of them
        pooled = pd.concat([pooled[pooled["measure"] != COMMON], bayes])
    given = own[own["estimate"].notna()].sort_values("site_title")
    if given.empty:
        raise request.why_empty("No site has an estimate.")
    absent = _absent(request, own)
    names = [*given["site_title"], *(title for title, _ in absent)]
    texts = [shown_numbers(row) for row in given.to_dict("records")]
    weights = [f"{100 * w:.0f} %" if not math.isnan(w) else "" for w in given["weight"]]
    size = len(given) + len(absent) + len(pooled) + 1
    subtitle, notes = _subtitle(request, rows), _notes(request, pooled, absent)
    keys = [Key("interval", "one site, with 95 % interval; larger = more weight", style.QUIET, "s"),
            Key("band", "pooled"), Key("line", "prediction interval: another site", style.VERMILION)]
    all_texts = texts + [shown_numbers(row) for row in pooled.to_dict("records")]
    shown = numbers_of([given, pooled])
    page, axes, at = frame(request, [*names, "Common effect"], all_texts, size, shown, subtitle, notes, keys)
    for n, row in enumerate(given.to_dict("records")):
        weight = row["weight"] if not math.isnan(row["weight"]) else 1 / len(given)
        at.name(n, row["site_title"])
        at.value(n, texts[n], weights[n])
        axes.plot([row["lower"], row["upper"]], [n, n], color=style.QUIET, linewidth=1.3 if size <= MANY else 0.9)
        axes.plot([row["estimate"]], [n], "s", color=style.INK, markersize=min(2.5 + 9 * math.sqrt(weight), 9.0))
    for n, (title, reason) in enumerate(absent, start=len(given)):
        at.name(n, title, colour=style.LIGHT)
        at.middle(n, reason)
    for n, row in enumerate(pooled.to_dict("records"), start=len(given) + len(absent) + 1):
        at.name(n, {COMMON: "Common effect", BAYES: "With a prior"}.get(row["measure"], "Pooled"), weight="bold")
        at.value(n, shown_numbers(row), "")
        if math.isnan(row["estimate"]):
            at.middle(n, row["reason"])
            continue
        colour = style.PALE[style.BLUE] if row["measure"] in (COMMON, BAYES) else style.POOLED
        axes.add_patch(Polygon(_diamond(row, n), color=colour))
        if not math.isnan(row["pi_lo"]):
            low, high = axes.get_xlim()
            ends = [max(row["pi_lo"], low), min(row["pi_hi"], high)]
            axes.plot(ends, [n + 0.45, n + 0.45], color=style.VERMILION, linewidth=1.6)
    drawn = numbers_of([given, own[own["estimate"].isna()], pooled])
    return Drawn(page.figure, drawn, _alt(request, given, pooled, absent), subtitle, notes)


def leave_one_out(request: Request) -> Drawn:
    """Draw the pooled estimate without each site in turn; sites on which the answer hangs are marked.

    settings  item; group, level and sex where there are several
    """
    rows = chosen(request)
    found = rows[rows["scope"].str.startswith(LOSO) & rows["estimate"].notna()].sort_values("site_title")
    whole = rows[(rows["scope"] == POOLED) & (rows["measure"] == RANDOM) & rows["estimate"].notna()]
    if found.empty or whole.empty:
        raise request.why_empty("Fewer than three sites have an estimate, so none can be left out.")
    hangs = found["method"].str.contains("hangs on this site")
    found = found.assign(shown=["hangs on it" if h else "as before" for h in hangs])
    texts = [shown_numbers(row) for row in found.to_dict("records")]
    note = ("Without each site in turn the pooled estimate is computed anew. It is marked where its sign changes, where its "
            "interval begins or ceases to hold no effect, or where it moves by more than one standard error.")  # fmt: skip
    subtitle = _subtitle(request, whole)
    keys = [Key("interval", "pooled without the site"), Key("interval", "the answer hangs on it", style.VERMILION, "D"),
            Key("band", "all sites")]  # fmt: skip
    numbers = numbers_of([found, whole])
    page, axes, at = frame(request, list(found["site_title"]), texts, len(found), numbers, subtitle, [note], keys)
    axes.axvspan(whole["lower"].iloc[0], whole["upper"].iloc[0], color=style.POOLED, alpha=0.12, linewidth=0)
    axes.axvline(whole["estimate"].iloc[0], color=style.POOLED, linewidth=1)
    for n, (row, marked) in enumerate(zip(found.to_dict("records"), hangs, strict=True)):
        colour, marker = (style.VERMILION, "D") if marked else (style.POOLED, "o")
        at.name(n, row["site_title"], weight="bold" if marked else "normal")
        at.value(n, texts[n], "")
        _average(axes, n, row, colour, marker, len(found))
    marked = [str(t) for t in found.loc[hangs.to_numpy(), "site_title"]]
    low, high = found.loc[found["estimate"].idxmin()], found.loc[found["estimate"].idxmax()]
    alt = [f"{request.figure.caption.rstrip('.')}: all {len(found)} sites together {words.interval(whole.iloc[0].to_dict())}",
           f"lowest without {low['site_title']}: {words.interval(low.to_dict())}",
           f"highest without {high['site_title']}: {words.interval(high.to_dict())}",
           f"the answer hangs on {words.listed(marked)}" if marked else "it hangs on no single site"]  # fmt: skip
    return Drawn(page.figure, numbers_of([found, whole.assign(shown="all sites")]), words.description(alt), subtitle, [note])


def cumulative(request: Request) -> Drawn:
    """Draw the pooled estimate as each site joins, in the order that the study declares.

    settings  item; group, level and sex where there are several
    """
    rows = chosen(request)
    found = rows[rows["scope"].str.startswith(JOINED_UP_TO) & rows["estimate"].notna()].sort_values("n_sites", kind="stable")
    if len(found) < 2:
        raise request.why_empty("Fewer than two sites have joined, or the step does not say cumulative.")
    whole = rows[(rows["scope"] == POOLED) & (rows["measure"] == RANDOM)]
    texts = [shown_numbers(row) for row in found.to_dict("records")]
    note = ("Each line is computed from the site named and all above it: one site as it is, two as a common effect, more with a "
            "variance between sites. Where lines stop moving, further sites would change little.")  # fmt: skip
    subtitle = _subtitle(request, whole) if len(whole) else ""
    keys = [Key("interval", "estimate from the sites up to here")]
    titles = [("" if n == 0 else "+ ") + title for n, title in enumerate(found["site_title"])]
    page, axes, at = frame(request, titles, texts, len(found), numbers_of([found]), subtitle, [note], keys)
    for n, row in enumerate(found.to_dict("records")):
        at.name(n, titles[n])
        at.value(n, texts[n], "")
        _average(axes, n, row, style.POOLED, "o", len(found))
    first, last = found.iloc[0], found.iloc[-1]
    alt = [f"{request.figure.caption.rstrip('.')}: {first['site_title']} alone {words.interval(first.to_dict())}",
           f"with all {len(found)} sites {words.interval(last.to_dict())}"]  # fmt: skip
    return Drawn(page.figure, numbers_of([found]), words.description(alt), subtitle, [note])


def _average(axes: Axes, at: int, row: dict[str, Any], colour: str, marker: str, rows: int) -> None:
    axes.plot([row["lower"], row["upper"]], [at, at], color=colour, linewidth=1.3 if rows <= MANY else 0.9)
    axes.plot([row["estimate"]], [at], marker, color=colour, markersize=4.5)


def chosen(request: Request) -> pd.DataFrame:
    """Pick the rows of one estimate, over sites and together; several are an empty figure that says so."""
    item = request.setting("item")
    where = {name: request.setting(name) for name in ("group", "level", "sex") if request.setting(name) is not None}
    rows = request.rows(item=item, **where)
    if request.setting("measure"):
        rows = rows[rows["measure"] == request.setting("measure")]
    kinds = rows[["group", "level", "sex"]].drop_duplicates()
    if len(kinds) > 1:
        listed = words.listed([" ".join(map(str, k)) for k in kinds.to_numpy()], 4)
        raise request.why_empty(f"There are several estimates ({listed}): name group, level or sex in the figure's settings.")
    sites = [request.site(scope.removeprefix(LOSO).removeprefix(JOINED_UP_TO)) for scope in rows["scope"]]
    return rows.assign(item_title=request.item(item), site_title=sites)


class _Rows:
    """Write the words of rows at the sides of the axes."""

    def __init__(self, page: Page, step: float, left: float, right: tuple[float, float], middle: float, wide: float) -> None:
        self.page, self.step, self.left, self.right, self.middle_at, self.wide = page, step, left, right, middle, wide
        self.size = style.TEXT if step == ROW else 7.5

    def name(self, row: int, text: str, colour: str = style.INK, weight: str = "normal") -> None:
        cut = style.cut(text, self.wide, self.size, weight)
        self.page.text(self.left, self.top(row), cut, size=self.size, color=colour, weight=weight)

    def value(self, row: int, text: str, weight: str) -> None:
        self.page.text(self.right[0], self.top(row), text, ha="right", size=self.size)
        self.page.text(self.right[1], self.top(row), weight, ha="right", size=self.size, color=style.QUIET)

    def middle(self, row: int, text: str) -> None:
        cut = style.cut(text, 3.4, 7.5)
        self.page.text(self.middle_at, self.top(row), cut, ha="center", size=7.5, color=style.LIGHT)

    def top(self, row: int) -> float:
        return 0.28 + (row + 0.5) * self.step


def frame(request: Request, names: list[str], texts: list[str], rows: int, numbers: pd.DataFrame, subtitle: str,
           notes: list[str], keys: list[Key]) -> tuple[Page, Axes, _Rows]:  # fmt: skip
    step = ROW if rows <= MANY else ROW_LOW
    size = style.TEXT if step == ROW else 7.5
    wide = min(max(style.width_of(n, size, "bold") for n in names) + 0.05, 1.75)
    text_wide = max(style.width_of(t, size) for t in texts) + 0.1
    height = rows * step + 0.1
    page = Page(request.figure.caption, subtitle, 0.28 + height + 0.48, notes, keys)
    left = style.MARGIN + wide + 0.12
    width = style.WIDTH - left - text_wide - 0.5 - style.MARGIN
    axes = page.axes(left, 0.28, width, height)
    axes.set(ylim=(rows - 0.5 + 0.1 / step, -0.5), yticks=[])
    scale = str(numbers["scale"].iloc[0])
    _scale(axes, numbers, scale)
    axes.set_xlabel({"ratio": "ratio"}.get(scale, scale), labelpad=3)
    right = style.WIDTH - style.MARGIN
    page.text(right - 0.42, 0.13, "95 % interval", ha="right", size=style.SMALL, color=style.QUIET)
    page.text(right, 0.13, "weight" if numbers["weight"].notna().any() else "", ha="right", size=style.SMALL, color=style.QUIET)
    return page, axes, _Rows(page, step, style.MARGIN, (right - 0.42, right), left + width / 2, wide)


def _scale(axes: Axes, numbers: pd.DataFrame, scale: str) -> None:
    low, high = numbers[["estimate", "lower"]].min().min(), numbers[["estimate", "upper"]].max().max()
    if scale == "ratio":
        low, high = min(max(low, 0.005), 0.9), max(min(high, 200.0), 1.1)
        axes.set_xscale("log")
        axes.set_xlim(low / 1.1, high * 1.1)
        ticks = [t for t in TICKS if low / 1.1 <= t <= high * 1.1]
        apart = math.log(high / low * 1.21) / 8  # ticks stay apart so that their numbers do
        kept: list[float] = []
        order = [1, 2, 0.5, 4, 0.25, 1.5, 10, 0.1]  # round numbers first
        for tick in sorted(ticks, key=lambda t: (order.index(t) if t in order else len(order), abs(math.log(t)))):
            if all(abs(math.log(tick / other)) > apart for other in kept):
                kept.append(tick)
        axes.xaxis.set_major_locator(FixedLocator(sorted(kept)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.axvline(1, color=style.LIGHT, linewidth=0.8)
    else:
        room = 0.04 * ((high - low) or 1)
        axes.set_xlim(low - room, high + room)
        axes.locator_params(axis="x", nbins=5)
        if low - room < 0 < high + room:
            axes.axvline(0, color=style.LIGHT, linewidth=0.8)
    axes.grid(axis="x")


def _diamond(row: dict[str, Any], y: float) -> list[tuple[float, float]]:
    return [(row["lower"], y), (row["estimate"], y - 0.32), (row["upper"], y), (row["estimate"], y + 0.32)]


def shown_numbers(row: dict[str, Any]) -> str:
    return "" if math.isnan(row["estimate"]) else words.number(row["estimate"], row["scale"]) + words.limits(row)


def _absent(request: Request, own: pd.DataFrame) -> list[tuple[str, str]]:
    """List sites without an estimate, with the reason: from the results, or from who sent nothing."""
    given = {scope.removeprefix(SITE) for scope in own.loc[own["estimate"].notna(), "scope"]}
    reasons = {scope.removeprefix(SITE): reason for scope, reason in zip(own["scope"], own["reason"], strict=True)}
    state = {"missing": "no release", "not run": "not run"}
    listed = []
    for site, sent, why in zip(request.sites["site"], request.sites["state"], request.sites["reason"], strict=True):
        if site not in given:
            listed.append((request.site(site), reasons.get(site) or why or state.get(sent, "no estimate")))
    return listed


def _subtitle(request: Request, rows: pd.DataFrame) -> str:
    pooled = rows[(rows["scope"] == POOLED) & rows["sites"].astype(bool)]
    inside, _ = request.who(pooled if len(pooled) else rows)
    return words.sentence(f"{request.item(request.setting('item'))}; {inside}")


def _notes(request: Request, pooled: pd.DataFrame, absent: list[tuple[str, str]]) -> list[str]:
    notes = []
    for row in pooled[pooled["measure"] != COMMON].to_dict("records"):
        agree = f"; {row['agreement']}" if row.get("agreement") and row["measure"] != BAYES else ""
        notes.append(words.sentence(f"{'with a prior' if row['measure'] == BAYES else 'pooled'}: {row['method']}{agree}"))
        if not math.isnan(row["tau2"]):
            spread = f"tau2 {row['tau2']:.3g} ({row['tau2_lo']:.3g} to {row['tau2_hi']:.3g})"
            further = f", I2 {row['i2']:.0f} %, Q {row['q']:.1f}" if not math.isnan(row["i2"]) else ""
            told = "With a prior on how much sites differ" if row["measure"] == BAYES else "Differences between sites"
            notes.append(f"{told}: {spread}{further}.")
            low, high = (words.number(row[end], row["scale"]) for end in ("pi_lo", "pi_hi"))
            notes.append(f"Prediction interval: another site's own effect would lie between {low} and {high}.")
        elif row["n_sites"] < 3:
            notes.append("Fewer than three sites cannot tell by themselves how much other sites would differ.")
        if row.get("caution"):
            notes.append(words.sentence(f"caution: {row['caution']}"))
    if absent:
        notes.append(words.sentence(f"{words.many(len(absent), 'site')} without an estimate, named with the reason"))
    return notes


def _alt(request: Request, given: pd.DataFrame, pooled: pd.DataFrame, absent: list[tuple[str, str]]) -> str:
    said = [f"{request.figure.caption.rstrip('.')}: {words.many(len(given), 'site')}, each with its 95 % interval"]
    for row in pooled.to_dict("records"):
        if not math.isnan(row["estimate"]):
            name = {COMMON: "common effect", BAYES: "with a prior"}.get(row["measure"], "pooled")
            said.append(f"{name} {words.interval(row)}")
            if not math.isnan(row["pi_lo"]):
                low, high = (words.number(row[end], row["scale"]) for end in ("pi_lo", "pi_hi"))
                said.append(f"another site would lie between {low} and {high}")
    agree = [row["agreement"] for row in pooled.to_dict("records") if row.get("agreement")]
    said += agree[:1]
    ends = [given.loc[given["estimate"].idxmin()], given.loc[given["estimate"].idxmax()]]
    low_, high_ = (f"{end['site_title']} {words.interval(end.to_dict())}" for end in ends)
    said.append(f"lowest {low_}, highest {high_}")
    if absent:
        said.append(f"without an estimate: {words.listed([f'{t} ({r})' for t, r in absent], 4)}")
    return words.description(said)

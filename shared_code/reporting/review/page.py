"""The review page put together: what a busy person needs first, then everything."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from shared_code.config.plan import Plan
from shared_code.config.site import Site
from shared_code.config.study import Study
from shared_code.disclosure import Earlier
from shared_code.disclosure.ladder import finest_rung
from shared_code.releases.cells import from_csv
from shared_code.reporting.review.cells import CHANGED, GONE, NEW, SAME, TableView, as_data, table_view
from shared_code.reporting.review.figures import bars
from shared_code.reporting.words import number

HERE = Path(__file__).parent
MANY = 0.5  # a table of which more than half is withheld is pointed out


@dataclass(frozen=True)
class Draft:
    """Hold a draft of a release and what the site alone knows of it.

    package   the bytes of the file       digest    what people approve
    manifest  what it says of itself      files     path inside it -> content
    reasons   analysis.table -> dimensions, statistic, reason of what is withheld
    earlier   what the site released before, oldest first      audit  what disclosure control says of its own outcome
    climbed   what coarser bands would withhold (ladder.dry_count)
    models    title of a model -> what was checked of it -> outcome
    """

    package: bytes
    digest: str
    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]
    reasons: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    earlier: Sequence[Earlier] = ()
    audit: Mapping[str, Any] = field(default_factory=dict)
    climbed: Sequence[Mapping[str, Any]] = ()
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def review_page(site: Site, study: Study, draft: Draft) -> str:
    """Write the page on which people at a site see everything that would leave it; one file, no network.

    It holds the package, the reasons for what is withheld, the difference to the last release, what coarser bands would
    withhold, and how many people stand behind each model; no other number.
    """
    inside = {p.removeprefix("tables/").removesuffix(".csv") for p in draft.files if p.startswith("tables/")}
    last = next((one.tables for one in reversed(draft.earlier) if {*one.tables} & inside), {})
    views = []
    for name, path in ((f"{stem}.{table}", f"tables/{stem}.{table}.csv") for stem in study.analyses
                       for table in study.analyses[stem].results):  # fmt: skip
        if path in draft.files:
            stem, _, table = name.partition(".")
            cells = from_csv(draft.files[path])
            views.append(table_view(Plan(study, stem), table, cells, draft.reasons.get(name), last.get(name)))
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)  # fmt: skip
    environment.filters["number"] = lambda value: number(value, 0)
    rules = draft.manifest["disclosure"]["rules"]
    total, withheld = sum(v.cells for v in views), sum(v.withheld for v in views)
    return environment.get_template("review.html.j2").render(
        site=site, study=study, manifest=draft.manifest, rules=rules, digest=draft.digest, views=views, total=total,
        withheld=withheld, share=f"{100 * withheld / total:.0f}" if total else "0",
        first=attention(site, views, draft, rules), analyses=_analyses(study, draft.manifest), earlier=len(draft.earlier),
        withheld_figure=_figure("withheld", "Share of each table's numbers that is withheld", [_parts(v) for v in views]),
        change_figure=_figure("changed", "Numbers that changed since then", [_changed(v) for v in views if v.changes]),
        changes=[(v, [v.changes.get(kind, 0) for kind in (SAME, CHANGED, NEW, GONE)]) for v in views if v.changes],
        lost=sorted(set(last) - {v.name for v in views}), models=model_checks(views, draft), audit=audit(views, draft.audit),
        climbed=_climbed(views, draft.climbed),
        downloads=_downloads(site, draft), data=Markup(_embedded({v.name: as_data(v) for v in views})),
        css=Markup((HERE / "review.css").read_text("utf-8")), script=Markup((HERE / "review.js").read_text("utf-8")),
    )  # fmt: skip


def attention(site: Site, views: list[TableView], draft: Draft, rules: Mapping[str, Any]) -> list[str]:
    """List what a person should look at first, in plain words."""
    said = []
    smallest = min((v.smallest for v in views if not math.isnan(v.smallest)), default=math.nan)
    if not math.isnan(smallest):
        said.append(f"The smallest number of people that would leave is {number(smallest, 0)}; the rule allows none from 1 to "
                    f"{rules['threshold'] - 1}, and counts are rounded to {rules['rounding']}.")  # fmt: skip
    for v in views:
        if v.cells and v.withheld / v.cells > MANY:
            said.append(f"More than half of “{v.title}” is withheld ({number(v.withheld, 0)} of {number(v.cells, 0)}): "
                        "it may be of little use, and coarser groups would keep more.")  # fmt: skip
    if draft.earlier:
        changed = sum(v.changes.get(CHANGED, 0) for v in views)
        differ, times = "number differs" if changed == 1 else "numbers differ", "time" if len(draft.earlier) == 1 else "times"
        said.append(f"{number(changed, 0)} {differ} from the last release; this site has released {len(draft.earlier)} "
                    f"{times} before.")  # fmt: skip
    else:
        said.append("This is the first release of this site: there is nothing to compare it with.")
    if draft.manifest["not_run"]:
        count = len(draft.manifest["not_run"])
        said.append(f"{count} {'analysis of the study is' if count == 1 else 'analyses of the study are'} not in it "
                    "(see “Analyses”).")  # fmt: skip
    if site.governance:
        said.append(f"The agreement behind it ends on {site.governance.agreement_expires.isoformat()}.")
    return said


def model_checks(views: list[TableView], draft: Draft) -> list[tuple[str, str, str]]:
    """List what was checked of estimates and models that were computed inside the site: (table, what, outcome)."""
    found = []
    for v in views:
        if v.layout != "estimates":
            continue
        given = v.statuses.get("ok", 0) + v.statuses.get("rounded", 0)
        found.append((v.title, "Numbers given, withheld, not possible",
                      f"{number(given, 0)}, {number(v.withheld, 0)}, {number(v.statuses.get('not_applicable', 0), 0)}"))
        fewest = "none shown" if math.isnan(v.smallest) else number(v.smallest, 0)
        found.append((v.title, "Fewest people with the event behind an estimate that is shown", fewest))  # fmt: skip
    for model, checks in draft.models.items():
        found += [(f"Model: {model}", _in_words(what), _plain(outcome)) for what, outcome in checks.items()]
    return found


def audit(views: list[TableView], record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List how narrowly what is withheld could be worked out: from the audit's record, and from the package itself."""
    found = [(_in_words(what), _plain(outcome)) for what, outcome in record.items()]
    for v in views:
        if not math.isnan(v.narrowest):
            width = "no upper end" if math.isinf(v.narrowest) else f"{number(v.narrowest + 1, 0)} possible values"
            found.append((f"Narrowest range published for a withheld number of people in “{v.title}”", width))
    return found


def _climbed(views: list[TableView], counted: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str, str, bool]]:
    """List what each rung of the declared ladders would withhold: table, dimension, bands, numbers, share, whether it is told."""
    titles = {v.name: v.title for v in views}
    rows = []
    for one in counted:
        told = finest_rung(one)
        for rung, outcome in one["rungs"].items():
            withheld = f"{number(outcome['withheld'], 0)} of {number(outcome['cells'], 0)}"
            share = f"{100 * outcome['share']:.1f} %"
            rows.append((titles.get(one["table"], one["table"]), one["dimension"], rung, withheld, share, rung == told))
    return rows


def _analyses(study: Study, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for stem, entry in study.analyses.items():
        inside = stem in manifest["plans"]
        tables = [f"{t.title}: by {', '.join((d.label or n).lower() for n, d in t.dimensions.items())}"
                  for t in entry.results.values()]  # fmt: skip
        rows.append({"title": entry.title, "question": entry.question, "inside": inside, "tables": tables,
                     "reason": manifest["not_run"].get(stem, ""), "needs": ", ".join([*entry.needs, *entry.uses])})  # fmt: skip
    return rows


def _figure(name: str, title: str, rows: list[tuple[str, dict[str, int]]]) -> Markup:
    return Markup(bars(name, title, rows)) if rows else Markup()


def _parts(view: TableView) -> tuple[str, dict[str, int]]:
    given = view.statuses.get("ok", 0) + view.statuses.get("rounded", 0)
    return view.title, {"shown": given, "withheld": view.withheld, "neither": view.cells - given - view.withheld}


def _changed(view: TableView) -> tuple[str, dict[str, int]]:
    return view.title, {kind: view.changes.get(kind, 0) for kind in (SAME, CHANGED, NEW, GONE)}


def _downloads(site: Site, draft: Draft) -> list[dict[str, str]]:
    """Give the package and each file inside it, whole, as links that need no other file."""
    files = [(f"{site.site}.zip", "application/zip", draft.package)]
    files += [(Path(path).name, "text/csv" if path.endswith(".csv") else "application/json", content)
              for path, content in sorted(draft.files.items())]  # fmt: skip
    return [{"name": name, "size": f"{max(1, round(len(content) / 1024)):,} KB",
             "href": f"data:{kind};base64,{base64.b64encode(content).decode()}"} for name, kind, content in files]  # fmt: skip


def _embedded(content: Any) -> str:
    """Write JSON so that it cannot end the script it stands in."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _in_words(key: str) -> str:
    text = str(key).replace("_", " ")
    return text[:1].upper() + text[1:]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(float(value), 0 if float(value).is_integer() else 2)
    if isinstance(value, Mapping):
        return "; ".join(f"{_in_words(k)}: {_plain(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(v) for v in value)
    return str(value)

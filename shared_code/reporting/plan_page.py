"""The statistical analysis plan of one analysis, made from its entry: the page that partners sign before anything is run.

Headings are those of the Networked Data Lab's plans: rationale, data, design, population, outcomes and exposures, methods,
missing data, limitations, governance, impact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config import codelists, digests
from shared_code.config.plan import Plan
from shared_code.config.site import Site
from shared_code.config.specification import Deviation
from shared_code.config.study import Study
from shared_code.config.targets import why
from shared_code.model import TABLES, few
from shared_code.rendering import pandoc
from shared_code.reporting.words import pipe_table

NOT_STATED = "*Not stated.* Write it under `plan:` of the entry before anybody signs."
HEADINGS = ["Rationale", "Data", "Design", "Population", "Outcomes and exposures", "Methods", "Missing data", "Limitations",
            "Governance", "Impact"]  # fmt: skip


def plan_record(study: Study, stem: str) -> dict[str, Any]:
    """Give the plan for machines: everything that fixes the numbers, and its digest."""
    entry, plan = study.analysis(stem), Plan(study, stem)
    named = {name: value for name, value in entry.parameters.items() if isinstance(value, str) and _is_codelist(value)}
    lists = {name: codelists.load(value) for name, value in named.items()}
    return {
        "study": study.study, "analysis": stem, "title": entry.title, "question": entry.question,
        "index_date": study.index_date.isoformat(),
        "period": {"start": study.period.start.isoformat(), "end": study.period.end.isoformat(), "end_is_in": False},
        "needs": entry.needs, "uses": entry.uses, "parameters": json.loads(json.dumps(entry.parameters, default=str)),
        "codelists": {name: {"version": f"{one.name}/{one.version}", "digest": one.digest} for name, one in lists.items()},
        "minimum_quality": {name: least.model_dump() for name, least in entry.minimum_quality.items()},
        "months_not_judged": entry.months_not_judged,
        "results": {name: {"layout": table.layout, "sets": table.sets, "dimensions": {
            d: {"bands": spec.bands, "kind": spec.kind} if spec.bands else {"levels": list(plan.levels(name, d) or {})}
            for d, spec in table.dimensions.items()}} for name, table in entry.results.items()},
        "models": {name: model.model_dump(mode="json") for name, model in entry.models.items()},
        "pooled": [{"target": step.target, "method": step.method, "table": step.table, **step.settings} for step in entry.pooled],
        "disclosure": study.disclosure.model_dump(mode="json"), "fewest_sites": study.fewest_sites,
        "stated": entry.plan.model_dump(mode="json") if entry.plan else None,
        "deviations": [d.model_dump(mode="json") for d in entry.deviations], "plan_digest": digests.plan(study, stem),
        "signed_digest": digests.signed(study, stem), "environment_digest": digests.environment(),
    }  # fmt: skip


def plan_markdown(study: Study, stem: str, sites: Iterable[Site] = ()) -> str:
    """Write the plan as Markdown: the ten headings, what fixes the numbers, deviations, and room for signatures."""
    record, stated = plan_record(study, stem), study.analysis(stem).plan
    sites = list(sites)
    parts = {
        "Rationale": _or(stated and stated.rationale), "Data": _data(record), "Design": _design(record, stated),
        "Population": _or(stated and stated.population), "Outcomes and exposures": _outcomes(study, stem, stated),
        "Methods": _methods(study, stem, record, stated), "Missing data": _or(stated and stated.missing),
        "Limitations": _listed(stated.limitations) if stated else NOT_STATED, "Governance": _governance(study, sites),
        "Impact": _or(stated and stated.impact),
    }  # fmt: skip
    lines = [f"# {record['title']}: statistical analysis plan", f"*{record['question']}*",
             f"Study: {study.title} ({study.study}).",
             f"Digest that is signed: `{record['signed_digest']}`. The entry is in it with its words, its pooling and every "
             "setting, and so are the rules of the study; only deviations, which are recorded later, are not.",
             f"Digest that releases carry: `{record['plan_digest']}`. It holds what sites run: a release made under another one "
             "is refused. Changed words and changed pooling leave it alone, and change the first."]  # fmt: skip
    lines += [text for heading in HEADINGS for text in (f"## {heading}", parts[heading])]
    lines += ["## Deviations", deviations(study, stem, sites)]
    rows = [{"For": name, "Name": "", "Date": "", "Signature": ""} for name in [study.coordinator, *(s.title for s in sites)]]
    agreed = f"We agree to run this plan (digest `{record['signed_digest'][:16]}…`) as it stands."
    lines += ["## Signatures", agreed, pipe_table(pd.DataFrame(rows))]
    return "\n\n".join(lines) + "\n"


def plan_html(study: Study, stem: str, sites: Iterable[Site] = ()) -> str:
    """Write the plan as one HTML page that needs nothing else and prints."""
    where = f"plan of {stem}"
    body = pandoc.write_html(pandoc.read_tree(plan_markdown(study, stem, sites), {}, where), where)
    style = ("body{font:16px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}"
             "table{border-collapse:collapse;width:100%}"
             "td,th{border:1px solid #999;padding:.3em .5em;text-align:left;vertical-align:top}code{overflow-wrap:anywhere}"
             "@media print{h2{break-after:avoid}tr{break-inside:avoid}}")  # fmt: skip
    title = f"{study.analysis(stem).title}: statistical analysis plan"
    return (f'<!DOCTYPE html>\n<html lang="en-GB"><head><meta charset="utf-8"><title>{title}</title><style>{style}</style></head>'
            f"<body>\n{body}\n</body></html>\n")  # fmt: skip


def deviations(study: Study, stem: str, sites: Iterable[Site] = ()) -> str:
    """Tabulate every recorded deviation from a plan: the study's own, and those of single sites."""
    table = [_deviation("all sites", d) for d in study.analysis(stem).deviations]
    table += [_deviation(site.title, d) for site in sites for d in site.deviations.get(stem, [])]
    return pipe_table(pd.DataFrame(table)) if table else "None is recorded."


def _deviation(where: str, one: Deviation) -> dict[str, str]:
    return {"Where": where, "Decided on": one.date.isoformat(), "What": one.what, "Why": one.why,
            "What it may change": one.effect}  # fmt: skip


def missing_words(study: Study) -> list[str]:
    """List the analyses of a study whose plan is not stated yet."""
    return [stem for stem, entry in study.analyses.items() if entry.plan is None]


def _is_codelist(value: str) -> bool:
    return value.count("/") == 1 and (digests.ROOT / codelists.FOLDER / f"{value}.csv").is_file()


def _or(text: str | None) -> str:
    return text or NOT_STATED


def _listed(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _named(items: Mapping[str, Any]) -> str:
    return "\n".join(f"- **{name}**: {text}" for name, text in items.items())


def _data(record: dict[str, Any]) -> str:
    tables = [{"Table": name, "A row is": TABLES[name.partition(".")[0]].row,
               "": "needed" if name in record["needs"] else "used where there is one"}
              for name in [*record["needs"], *record["uses"]]]  # fmt: skip
    lists = [f"- `{one['version']}` ({name}), digest `{one['digest'][:16]}…`" for name, one in record["codelists"].items()]
    quality = [f"- {name}: fewer than {100 * least['fewer_faults_than']:g} % faulty, else the site is left out"
               for name, least in record["minimum_quality"].items()]  # fmt: skip
    quality += [f"- months of {table} are not judged: {why}" for table, why in record["months_not_judged"].items()]
    parts = [pipe_table(pd.DataFrame(tables)) if tables else "Tables that others have published."]
    parts += ["Codelists:\n\n" + "\n".join(lists)] if lists else []
    parts += ["Least quality of the data:\n\n" + "\n".join(quality)] if quality else []
    return "\n\n".join(parts)


def _design(record: dict[str, Any], stated: Any) -> str:
    dates = (f"Index date {record['index_date']}; period from {record['period']['start']} to {record['period']['end']}, "
             "the last day not included.")  # fmt: skip
    named = stated.look_backs if stated else {}
    backs = {name: f"{days} days, [day − {days}, day)" for name, days in named.items()}
    parts = [_or(stated and stated.design), dates]
    parts += ["Look-backs from the day that the analysis names, which is not part of them:\n\n" + _named(backs)] if backs else []
    given = {name: _words(value) for name, value in record["parameters"].items() if name not in record["codelists"]}
    parts += ["Fixed beforehand:\n\n" + _named(given)] if given else []
    return "\n\n".join(parts)


def _words(value: Any) -> str:
    """Write a setting as words: no brackets or quotation marks of a programming language."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_inside(part)}" for name, part in value.items())
    return ", ".join(_inside(part) for part in value) if isinstance(value, list) else str(value)


def _inside(value: Any) -> str:
    return f"({_words(value)})" if isinstance(value, dict | list) and value else "as declared" if value == {} else _words(value)


def _outcomes(study: Study, stem: str, stated: Any) -> str:
    plan, rows = Plan(study, stem), []
    for name, table in study.analysis(stem).results.items():
        for dimension, spec in table.dimensions.items():
            levels = plan.levels(name, dimension)
            what = "the site's own names" if levels is None else few([label or code for code, label in levels.items()], 12)
            rows.append({"Table": table.title, "Layout": table.layout, "By": spec.label or dimension, "Levels": what})
    words = [_named(stated.outcomes)] if stated else [NOT_STATED]
    words += ["Exposures and groups:\n\n" + _named(stated.exposures)] if stated and stated.exposures else []
    return "\n\n".join([*words, "Tables that leave a site:", pipe_table(pd.DataFrame(rows))])


def _methods(study: Study, stem: str, record: dict[str, Any], stated: Any) -> str:
    entry = study.analysis(stem)
    steps = [{"From": entry.results[s["table"]].title, "Asked for": s["target"] or s["method"], "Method": s["method"],
              "Why": why(s["method"], entry.results[s["table"]].layout),
              "Settings": _words({k: v for k, v in s.items() if k not in ("target", "method", "table")})}
             for s in record["pooled"]]  # fmt: skip
    parts = [pipe_table(pd.DataFrame(steps))]
    parts += [f"Adjusted for: {', '.join(stated.covariates)}."] if stated and stated.covariates else []
    models = ", ".join(m.title for m in entry.models.values())
    parts += [f"Models fitted over the sites together: {models}."] if models else []
    parts += [("Chance is used with these seeds: " + "; ".join(f"{k} {v}" for k, v in stated.seeds.items()) + ".")
              if stated and stated.seeds else "Nothing is drawn by chance." if stated else NOT_STATED]  # fmt: skip
    return "\n\n".join(parts)


def _governance(study: Study, sites: list[Site]) -> str:
    rules = study.disclosure
    parts = [
        "People's records stay at the site. What leaves are the tables above, after one disclosure step over them all: "
        f"counts of 1 to {rules.threshold - 1} people are withheld with whatever would give them away, others are rounded "
        f"to {rules.rounding}. Two people of the site approve every release. A pooled number needs {study.fewest_sites} "
        "sites or more."
    ]
    rows = [{"Site": s.title, "Controller": s.controller,
             "Legal basis": s.governance.legal_basis if s.governance else "not stated",
             "Impact assessment": s.governance.dpia if s.governance else "not stated"} for s in sites]  # fmt: skip
    return "\n\n".join([*parts, *([pipe_table(pd.DataFrame(rows))] if rows else [])])


def write_plan(study: Study, stem: str, sites: Iterable[Site], target: Path) -> Path:
    """Write the plan to a file: .html, .md or .json by its name."""
    if target.suffix == ".json":
        text = json.dumps(plan_record(study, stem), indent=2, ensure_ascii=False) + "\n"
    else:
        text = (plan_html if target.suffix == ".html" else plan_markdown)(study, stem, sites)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8", newline="\n")
    return target

"""Staging: pages, numbers and figures of one study side by side, as a Quarto website project."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from shared_code.config import codelists
from shared_code.config.plan import Plan
from shared_code.config.site import Site
from shared_code.config.study import Study
from shared_code.reporting.plan_page import write_plan

PLANS = "plans"
ALWAYS_FIRST, ALWAYS_LAST = ["index"], ["who", "catalogue", "methods", "reproduce"]


def pages_of(study: Study) -> list[str]:
    """List the pages of a study's report: summary, one per analysis in report order, who, methods, reproduce."""
    return [*ALWAYS_FIRST, *study.analyses, *ALWAYS_LAST]


def quarto_project(study: Study) -> dict[str, Any]:
    """Describe the website project of a study as Quarto reads it."""
    titles = {"index": "Summary", "who": "Who is in what", "catalogue": "What sites hold",
              "methods": "Methods", "reproduce": "How to reproduce"}
    titles |= {stem: entry.title for stem, entry in study.analyses.items()}
    pages = pages_of(study)

    def entries(names: list[str]) -> list[dict[str, str]]:
        return [{"href": f"{name}.qmd", "text": titles[name]} for name in names]

    return {
        "project": {"type": "website", "render": [f"{page}.qmd" for page in pages], "resources": ["data/", "figures/", "plans/"]},
        "lang": "en-GB",
        "website": {
            "title": study.title,
            "sidebar": {"style": "docked", "contents": [
                *entries(ALWAYS_FIRST), {"section": "The questions", "contents": entries(list(study.analyses))},
                {"section": "Behind the numbers", "contents": entries(ALWAYS_LAST)},
            ]},
        },
        "format": {"html": {"toc": True, "theme": "cosmo", "css": "report.css", "html-math-method": "mathml"}},
        "execute": {"echo": False, "warning": False},
    }  # fmt: skip


def study_record(study: Study) -> dict[str, Any]:
    """Give pages the words of the protocol: titles, questions, labels, findings."""
    analyses = {}
    for stem, entry in study.analyses.items():
        plan = Plan(study, stem)
        labels: dict[str, str] = {}
        items: list[str] = []
        item_label = ""
        for table in entry.results.values():
            for dimension, spec in table.dimensions.items():
                levels = entry.items(spec, codelists) or {}
                labels |= {f"{dimension}:{code}": text for code, text in levels.items()}
        for step in entry.pooled:
            if "item" in step.settings:
                levels = plan.levels(step.table, step.settings["item"]) or {}
                labels |= levels
                item_label = entry.results[step.table].dimensions[step.settings["item"]].label
                items += [code for code in levels if code not in items]
        analyses[stem] = {
            "title": entry.title, "question": entry.question, "labels": labels, "items": items,
            "item_label": item_label,
            "dimensions": {name: spec.label for table in entry.results.values() for name, spec in table.dimensions.items()},
            "sites_by": {name: one["title"] for step in entry.pooled for setting in ("kinds", "moderators")
                         for name, one in step.settings.get(setting, {}).items()},
            "models": {name: {"title": model.title, "terms": {term: {"label": spec.label or term, "levels": spec.levels}
                                                              for term, spec in model.terms.items()}}
                       for name, model in entry.models.items()},
            "findings": [f.model_dump() for f in entry.findings], "figures": list(entry.figures),
            "needs": entry.needs, "parameters": entry.model_dump(mode="json")["parameters"],
        }  # fmt: skip
    return {"study": study.study, "title": study.title, "summary": study.summary, "coordinator": study.coordinator,
            "index_date": study.index_date.isoformat(), "period": study.period.model_dump(mode="json"),
            "disclosure": study.disclosure.model_dump(mode="json"), "fewest_sites": study.fewest_sites,
            "analyses": analyses}  # fmt: skip


def stage(study: Study, pages: Path, pooled: Path, figures: Path, target: Path, sites: Sequence[Site] = ()) -> None:
    """Put the report of a study together in a folder, with the plan of every analysis beside the pages.

    pages    reports/     pooled, figures   what pool and draw wrote     target   replaced, unless it is `pages` itself
    sites    those whose governance and departures the plans name
    """
    if target.resolve() != pages.resolve():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        wanted = [f"{page}.qmd" for page in pages_of(study)]
        for path in sorted(pages.iterdir()):
            if path.name in wanted or path.suffix == ".css" or (path.name.startswith("_") and path.suffix == ".qmd"):
                shutil.copyfile(path, target / path.name)
        missing = [name for name in wanted if not (target / name).is_file()]
        if missing:
            raise FileNotFoundError(f"reports/ has no page for {', '.join(missing)}")
        (target / "_quarto.yml").write_text(as_yaml(quarto_project(study)), "utf-8")
    for source, name in ((pooled, "data"), (figures, "figures")):
        shutil.rmtree(target / name, ignore_errors=True)
        shutil.copytree(source, target / name)
    shutil.rmtree(target / PLANS, ignore_errors=True)
    for stem in study.analyses:
        write_plan(study, stem, sites, target / PLANS / f"{stem}.html")
    record = json.dumps(study_record(study), indent=2, ensure_ascii=False) + "\n"
    (target / "data" / "study.json").write_text(record, "utf-8")


def as_yaml(content: dict[str, Any]) -> str:
    """Write settings as YAML in their own order."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)

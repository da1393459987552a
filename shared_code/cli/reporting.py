"""The stages draw, report and review."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from shared_code.config import Site, Study, rooms, sites_of
from shared_code.config.digests import ROOT

PAGES = Path("reports")


def _without_remains(target: Path) -> Path:
    """Clear what is left of a site whose first page was taken away (Snakemake does so before it makes it again)."""
    if target.is_dir() and not (target / "index.html").is_file():
        shutil.rmtree(target)
    return target


def draw(study: Study) -> str:
    """Draw the figures of the pooled results."""
    from shared_code.figures import draw_figures

    target = rooms.figures(study.study)
    names = draw_figures(study, rooms.pooled(study.study), target)
    return f"Drew {len(names)} figures in {target}."


def report(study: Study) -> str:
    """Write all plans, and the report as a website: with Quarto where it is installed, else with the built-in renderer."""
    from shared_code.rendering import render
    from shared_code.reporting.stage import PLANS, stage

    staged = rooms.PRIVATE / "coordination" / study.study / "report"
    stage(study, PAGES, rooms.pooled(study.study), rooms.figures(study.study), staged, sites_of(study.study))
    plans = rooms.plans(study.study)
    shutil.rmtree(plans, ignore_errors=True)
    shutil.copytree(staged / PLANS, plans)
    target = _without_remains(rooms.report(study.study))
    used = render(staged, target, {})
    return f"Wrote the report {target / 'index.html'} (rendered by {used})."


def stage_pages() -> str:
    """Put the numbers of the demonstration beside the pages, so that `quarto render reports` works in this checkout."""
    from shared_code.reporting.stage import stage

    study = Study.read(ROOT / "config" / "study.yaml")
    stage(study, ROOT / PAGES, ROOT / rooms.pooled(study.study), ROOT / rooms.figures(study.study), ROOT / PAGES,
          sites_of(study.study))
    return "The numbers and figures of the demonstration lie beside the pages in reports/."


def review(name: str, study: Study) -> str:
    """Write the page on which a site sees everything that would leave it, for its owner only."""
    from shared_code.releases import beside, ledger, package
    from shared_code.reporting.review import Draft, review_page

    site, draft = Site.read(name), rooms.draft(name, study.study)
    manifest, files, digest = package.read(draft)
    known = beside.read(draft, digest) if draft.with_name(beside.FOLDER).is_dir() else beside.Beside("")
    earlier = [one for one in ledger.read(rooms.ledger(name), study.study) if one.digest != digest]
    whole = Draft(draft.read_bytes(), digest, manifest, files, known.reasons, earlier, known.audit, known.climbed,
                  known.models)  # fmt: skip
    page = review_page(site, study, whole)
    target = rooms.review(name, study.study)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(page)
    return f"Wrote {target}: everything that would leave {site.title}. Nothing has been sent."


def quote(study: Study, stem: str, page: Path) -> str:
    """Write the tables of a study of published tables into the file that pages of other studies include."""
    from shared_code.reporting import open_report
    from shared_code.reporting.quoted import quoted_part

    report = open_report(rooms.PRIVATE / "coordination" / study.study / "report")
    page.write_text(quoted_part(report, stem), "utf-8", newline="\n")
    return f"{page} shows {study.title} as it was last pooled."


def readme() -> str:
    """Write the demonstration's table and figure into the README."""
    from shared_code.reporting import open_report
    from shared_code.reporting.readme import demonstration_part, with_part

    report = open_report(rooms.PRIVATE / "coordination" / "demonstration" / "report")
    path = ROOT / "README.md"
    path.write_text(with_part(path.read_text("utf-8"), demonstration_part(report)), "utf-8", newline="\n")
    picture = rooms.figures("demonstration") / "long_term_conditions.deprivation_ratios.png"
    shutil.copyfile(picture, ROOT / "docs" / "images" / "deprivation_ratios.png")
    return "The README shows the demonstration as it was last run."

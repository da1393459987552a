"""The stages draw, report and report-site."""

from __future__ import annotations

import shutil
from pathlib import Path

from shared_code.config import Site, Study, rooms
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
    """Write the report as a website, with Quarto where it is installed and with the built-in renderer elsewhere."""
    from shared_code.rendering import render
    from shared_code.reporting.stage import stage

    staged = rooms.PRIVATE / "coordination" / study.study / "report"
    stage(study, PAGES, rooms.pooled(study.study), rooms.figures(study.study), staged)
    target = _without_remains(rooms.report(study.study))
    used = render(staged, target, {})
    return f"Wrote the report {target / 'index.html'} (rendered by {used})."


def stage_pages() -> str:
    """Put the numbers of the demonstration beside the pages, so that `quarto render reports` works in this checkout."""
    from shared_code.reporting.stage import stage

    study = Study.read(ROOT / "config" / "study.yaml")
    stage(study, ROOT / PAGES, ROOT / rooms.pooled(study.study), ROOT / rooms.figures(study.study), ROOT / PAGES)
    return "The numbers and figures of the demonstration lie beside the pages in reports/."


def report_site(name: str, study_file: Path, study: Study) -> str:
    """Write the page on which a site sees what would leave it."""
    from shared_code.rendering import render
    from shared_code.reporting.site_page import site_record

    site = Site.read(name)
    staged = rooms.PRIVATE / name / study.study / "report_pages"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    shutil.copyfile(PAGES / "site.qmd", staged / "index.qmd")
    shutil.copyfile(PAGES / "report.css", staged / "report.css")
    site_record(site, study, rooms.outgoing(name, study.study), staged)
    target = _without_remains(rooms.site_report(name, study.study))
    used = render(staged, target, {})
    return f"Wrote {target / 'index.html'}: what would leave {site.title} (rendered by {used})."


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

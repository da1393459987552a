"""The whole study on one page: one rule per stage, the same stages everywhere.

    snakemake                                  the demonstration: five made-up sites, from extract to report
    snakemake release --config site=NAME       one site: from its extract to a draft that people look at and approve
    snakemake report --config demo=no          the coordinating team: pool whatever is in inbox/, and report

Rooms: data/ and private/ stay at the site, outbox/ holds what may leave, inbox/ what arrived, public/ what is published.
For a real site no rule writes outbox/ or inbox/: two people approve, the site sends, a person carries.
"""

from functools import cache
from pathlib import Path

from shared_code.config import Site, Study, digests, rooms, sites_of
from shared_code.config.study import QUALITY
from shared_code.model import Refused

STUDY_FILE = config.get("study", "config/study.yaml")
try:
    STUDY = Study.read(STUDY_FILE)
    STUDY.require_files()
    NAME = STUDY.study
    SITES = {site.site: site for site in ([Site.read(config["site"])] if "site" in config else sites_of(NAME))}
except Refused as problem:
    raise SystemExit(f"{problem}") from None
DEMO = {name: site for name, site in SITES.items() if site.made_up and config.get("demo", "yes") not in ("no", False)}
SITE = config.get("site", "{site}")  # a site named on the command line makes the site rules targets by themselves
PEOPLE = int(config.get("people", 20_000))
MODELS = [rooms.fitted(NAME, f"{stem}.{name}") for stem, entry in STUDY.analyses.items() for name in entry.models]
PLAYED = MODELS if DEMO and set(DEMO) == set(SITES) else []  # where a real site takes part, people carry the rounds


def code(*layers):
    """The shared code a stage uses is an input of the stage: when it changes, the stage runs again."""
    return [str(path) for layer in ("model", "config", *layers) for path in sorted(Path("shared_code", layer).rglob("*.py"))]


def name_of(wildcards):
    return getattr(wildcards, "site", SITE)


@cache
def read_once(name):
    """Snakemake asks for the inputs and parameters of every waiting job many times a second: nothing is read twice."""
    return Site.read(name)


def the_site(wildcards):
    return read_once(name_of(wildcards))


@cache
def plan_of_analysis(stem):
    return digests.plan(STUDY, stem)


def plan_of(wildcards):
    return plan_of_analysis(wildcards.analysis)


def extract_of(wildcards):
    """What prepare reads: the made-up extract, or the files that the site's settings name."""
    site = the_site(wildcards)
    if site.made_up:
        return [rooms.extract(site.site) / "truth.json"]
    folder = Path(site.folder)
    tables = [*site.tables.values(), *(site.linkage.records.values() if site.linkage else [])]
    sources = [s for t in tables for s in (t, *t.join, *t.look_up)]
    named = {name for s in sources for name in (s.file, *getattr(s, "files", [])) if name}
    return sorted({path for name in named for path in folder.glob(name)})  # prepare itself says which are missing


def links_of(wildcards):
    """The links, where a site's records come with identifiers only."""
    site = the_site(wildcards)
    return [rooms.linkage(site.site) / "linkage.json"] if site.linkage else []


def results_of(wildcards):
    site = the_site(wildcards)
    runs = [stem for stem, entry in STUDY.analyses.items() if site.can_run(entry)]
    return [rooms.results(site.site, NAME) / stem for stem in runs]


def measured_quality(wildcards):
    """An analysis that declares a minimum of data quality waits until the quality is known."""
    site, entry = the_site(wildcards), STUDY.analyses[wildcards.analysis]
    measured = entry.minimum_quality and QUALITY in STUDY.analyses and site.can_run(STUDY.analyses[QUALITY])
    return [rooms.results(site.site, NAME) / QUALITY] if measured else []


def whatever_arrived(wildcards):
    """Every package in the inbox; demonstration sites have theirs carried."""
    arrived = (rooms.INBOX / NAME).glob("*.zip")
    return sorted({str(path) for path in arrived} | {str(rooms.incoming(name, NAME)) for name in DEMO})


def whatever_was_fitted(wildcards):
    """Every regression that was fitted over the sites in rounds; people carry them, but for the demonstration's."""
    return sorted({*map(str, rooms.models(NAME).glob("*.csv")), *map(str, PLAYED)})


wildcard_constraints:
    site="[a-z][a-z0-9_]*",
    analysis="|".join(STUDY.analyses),


rule demonstration:
    message: "The report of {params.study} is ready: {params.page}"
    input:
        report=rooms.PUBLIC / NAME / "report.stamp",
        at_sites=[rooms.review(name, NAME) for name in DEMO],
    params:
        study=STUDY.title,
        page=rooms.report(NAME) / "index.html",


rule extract_demo:
    message: "Make up {params.people} people for {wildcards.site}"
    input:
        settings="config/sites/{site}.yaml",
        code=code("synthetic"),
    output:
        rooms.DATA / "{site}" / "truth.json",
    wildcard_constraints:
        site=f"{rooms.DEMONSTRATION}[a-z0-9_]*",
    params:
        people=PEOPLE,
        index_date=STUDY.index_date.isoformat(),
    log:
        rooms.PRIVATE / "{site}" / "logs" / "extract_demo.log",
    shell:
        f"python -m shared_code.cli extract-demo {{wildcards.site}} --people {{params.people}} --study {STUDY_FILE} > {{log}} 2>&1"


rule link:
    message: "Link the records of {params.site} to its people"
    input:
        extract=extract_of,
        settings=f"config/sites/{SITE}.yaml",
        code=code("sources", "linkage"),
    output:
        rooms.PRIVATE / SITE / "linkage" / "linkage.json",
    params:
        site=name_of,
    log:
        rooms.PRIVATE / SITE / "logs" / "link.log",
    shell:
        "python -m shared_code.cli link {params.site} > {log} 2>&1"


rule prepare:
    message: "Prepare the tables of {params.site}: map, check, write"
    input:
        extract=extract_of,
        links=links_of,
        settings=f"config/sites/{SITE}.yaml",
        code=code("sources"),
    output:
        rooms.PRIVATE / SITE / "prepared" / "prepared.json",
    params:
        site=name_of,
    log:
        rooms.PRIVATE / SITE / "logs" / "prepare.log",
    shell:
        "python -m shared_code.cli prepare {params.site} > {log} 2>&1"


rule analyse:
    message: "Run {wildcards.analysis} at {params.site}"
    input:
        tables=rules.prepare.output,
        quality=measured_quality,
        notebook="notebooks/{analysis}.ipynb",
        code=code("measures", "methods", "regression", "quality", "execution"),
    output:
        tables=directory(rooms.PRIVATE / SITE / NAME / "results" / "{analysis}"),
        notebook=rooms.PRIVATE / SITE / NAME / "notebooks" / "{analysis}.ipynb",
    params:
        site=name_of,
        plan=plan_of,
        environment=digests.environment(),
    log:
        rooms.PRIVATE / SITE / NAME / "logs" / "{analysis}.log",
    shell:
        f"python -m shared_code.cli analyse {{params.site}} {{wildcards.analysis}} --study {STUDY_FILE} > {{log}} 2>&1"


rule release:
    message: "Protect all results of {params.site} together and write a draft of its package"
    input:
        results=results_of,
        settings=f"config/sites/{SITE}.yaml",
        code=code("quality", "disclosure", "releases"),
    output:
        rooms.draft(SITE, NAME),
    params:
        site=name_of,
        protocol=digests.protocol(STUDY),
    log:
        rooms.PRIVATE / SITE / NAME / "logs" / "release.log",
    shell:
        f"python -m shared_code.cli release {{params.site}} --study {STUDY_FILE} > {{log}} 2>&1"


rule review:
    message: "Show {params.site} what would leave it"
    input:
        package=rules.release.output,
        code=code("reporting"),
        page=sorted(Path("shared_code/reporting/review").glob("review.*")),
    output:
        rooms.review(SITE, NAME),
    params:
        site=name_of,
    log:
        rooms.PRIVATE / SITE / NAME / "logs" / "review.log",
    shell:
        f"python -m shared_code.cli review {{params.site}} --study {STUDY_FILE} > {{log}} 2>&1"


rule approve_demo:
    message: "Play the two people of {wildcards.site} who approve, and send"
    input:
        rooms.draft("{site}", NAME),
    output:
        rooms.OUTBOX / NAME / "{site}.zip",
    wildcard_constraints:
        site="|".join(DEMO) or "nobody",
    log:
        rooms.PRIVATE / "{site}" / NAME / "logs" / "approve_demo.log",
    shell:
        f"python -m shared_code.cli approve-demo {{wildcards.site}} --study {STUDY_FILE} > {{log}} 2>&1"


rule carry_demo:
    message: "Carry the package of {wildcards.site} to the inbox, as a person would"
    input:
        rooms.OUTBOX / NAME / "{site}.zip",
    output:
        rooms.INBOX / NAME / "{site}.zip",
    wildcard_constraints:
        site="|".join(DEMO) or "nobody",
    log:
        rooms.PRIVATE / "{site}" / NAME / "logs" / "carry_demo.log",
    shell:
        f"python -m shared_code.cli carry-demo {{wildcards.site}} --study {STUDY_FILE} > {{log}} 2>&1"


if PLAYED:  # one job for all models: a site's ledger has one writer at a time

    rule fit_demo:
        message: "Play the rounds of the regressions that are fitted over the sites"
        input:
            arrived=[rooms.incoming(name, NAME) for name in DEMO],
            code=code("regression", "methods", "disclosure", "releases", "pooling"),
        output:
            PLAYED,
        params:
            models=digests.of_json([digests.model(STUDY, stem, name) for stem, entry in STUDY.analyses.items() for name in entry.models]),
        log:
            rooms.PRIVATE / "coordination" / NAME / "fit_demo.log",
        shell:
            f"python -m shared_code.cli model demo --study {STUDY_FILE} > {{log}} 2>&1"


rule pool:
    message: "Check every package in the inbox and pool them"
    input:
        packages=whatever_arrived,
        indices=[str(path) for path in sorted(Path("config").glob("ind*/*")) if path.is_file()],
        models=whatever_was_fitted,
        code=code("pooling", "releases", "methods", "indices", "quality"),
    output:  # a stamp, not the results: if this fails, what was pooled before stays
        touch(rooms.PUBLIC / NAME / "pool.stamp"),
    params:
        protocol=digests.protocol(STUDY),
        expected=sorted(SITES),
        steps=lambda wildcards: digests.of_json([e.model_dump(mode="json") for e in STUDY.analyses.values()]),
    log:
        rooms.PRIVATE / "coordination" / NAME / "pool.log",
    shell:
        f"python -m shared_code.cli pool --study {STUDY_FILE} > {{log}} 2>&1"


rule draw:
    message: "Draw the figures"
    input:
        pooled=rules.pool.output,
        code=code("figures"),
    output:
        touch(rooms.PUBLIC / NAME / "draw.stamp"),
    params:
        figures=lambda wildcards: digests.of_json([e.model_dump(mode="json") for e in STUDY.analyses.values()]),
    log:
        rooms.PRIVATE / "coordination" / NAME / "draw.log",
    shell:
        f"python -m shared_code.cli draw --study {STUDY_FILE} > {{log}} 2>&1"


rule report:
    message: "Write the report"
    input:
        pooled=rules.pool.output,
        figures=rules.draw.output,
        pages=sorted(path for path in Path("reports").rglob("*") if path.is_file()),
        code=code("rendering", "reporting"),
    output:
        touch(rooms.PUBLIC / NAME / "report.stamp"),
    params:
        title=STUDY.title,
        plans=lambda wildcards: digests.of_json([e.model_dump(mode="json") for e in STUDY.analyses.values()]),
        sites=lambda wildcards: digests.of_json([site.model_dump(mode="json", include={"title", "controller", "governance",
                                                                                       "deviations"}) for site in SITES.values()]),
    log:
        rooms.PRIVATE / "coordination" / NAME / "report.log",
    shell:
        f"python -m shared_code.cli report --study {STUDY_FILE} > {{log}} 2>&1"

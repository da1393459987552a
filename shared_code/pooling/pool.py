"""Pool: whatever releases are in the inbox become results, with who is in them and who is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config import digests
from shared_code.config.site import Site
from shared_code.config.study import QUALITY, Step, Study
from shared_code.model import Problem, Refused
from shared_code.pooling.against_trend import against_trend
from shared_code.pooling.allocation import allocation
from shared_code.pooling.attained_age import attained_age, equivalent_age
from shared_code.pooling.before_after import (
    benefit_cost,
    difference_in_differences,
    regression_to_mean,
)
from shared_code.pooling.catalogue import catalogue
from shared_code.pooling.change import change
from shared_code.pooling.comparable import balance, joint_test
from shared_code.pooling.decision import NotInIt, choices, in_words
from shared_code.pooling.event_rates import event_rates, mortality_ratio
from shared_code.pooling.expected import recorded_expected
from shared_code.pooling.gather import gather
from shared_code.pooling.groups import gaps
from shared_code.pooling.inbox import Inbox, receive
from shared_code.pooling.indices import write_indices
from shared_code.pooling.ladders import common_rungs
from shared_code.pooling.life_tables import life_expectancy
from shared_code.pooling.margins import incomplete_margins
from shared_code.pooling.meta import meta_analysis, profile
from shared_code.pooling.models import fitted_models
from shared_code.pooling.partners import guarded
from shared_code.pooling.place_shares import place_shares
from shared_code.pooling.policy import policy_change
from shared_code.pooling.policy_groups import policy_groups
from shared_code.pooling.power import power
from shared_code.pooling.prevalence import prevalence
from shared_code.pooling.publications import publish
from shared_code.pooling.quality import lights, list_ratio, means, months, quantiles
from shared_code.pooling.reconcile import Contradiction, footnotes, reconcile, refuse_if_asked, table_of
from shared_code.pooling.results import COLUMNS, named, results_table
from shared_code.pooling.risk_performance import risk_performance
from shared_code.pooling.shares import shares
from shared_code.pooling.superseded import superseded

METHODS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "prevalence": prevalence, "life_expectancy": life_expectancy, "gather": gather, "change": change,
    "meta_analysis": meta_analysis, "profile": profile, "attained_age": attained_age, "equivalent_age": equivalent_age,
    "gaps": gaps, "place_shares": place_shares, "allocation": allocation, "against_trend": against_trend,
    "policy_change": policy_change, "policy_groups": policy_groups, "recorded_expected": recorded_expected,
    "risk_performance": risk_performance, "event_rates": event_rates, "mortality_ratio": mortality_ratio,
    "difference_in_differences": difference_in_differences, "regression_to_mean": regression_to_mean, "balance": balance,
    "power": power, "benefit_cost": benefit_cost, "joint_test": joint_test,
    "shares": shares, "months": months, "list_ratio": list_ratio, "quantiles": quantiles,
    "means": means,
}  # fmt: skip
POOLED, SOME = "pooled", ("loso:", "joined:", "kind:")  # all sites; some of them
EMPTIED = ("estimate", "lower", "upper", "se", "people", "events", "person_years", "bound_lower", "bound_upper",
           "withheld_share", "weight", "p_adjusted", "df", "pi_lo", "pi_hi", "tau2", "tau2_lo", "tau2_hi", "q", "i2", "h2",
           "agreement", "caution", "verdict")  # fmt: skip


def pool(study: Study, inbox: Path, target: Path, expected: Mapping[str, Site], publications: Path | None = None,
         models: Path | None = None) -> dict[str, int]:  # fmt: skip
    """Read the inbox, compute everything the study declares, and write it to a folder, whole or not at all.

    inbox     inbox/<study>     target  public/<study>/pooled     expected  site -> settings of who takes part
    models    public/<study>/models, where regressions that were fitted over the sites lie
    Writes results.csv (tidy, one row per estimate), quality.csv (what every check says of every site), sites.csv (who is
    in what, and why not), notes.csv, contradictions.csv, deviations.csv, catalogue.jsonld, indices/, ladder.csv (where the
    study declares ladders), cells/*.csv (the released cells of all sites) and pooled.json (digests). Raises model.Refused
    for a faulty inbox, when fewer sites have sent a release than the study asks for, for releases that contradict
    themselves where the study refuses these, or for a damaged ledger of publications.
    """
    received = receive(study, inbox, expected)
    if len(received.releases) < study.fewest_sites:
        sent = len(received.releases)
        wrong = f"{sent} {'site has' if sent == 1 else 'sites have'} sent a release"
        problem = Problem(str(inbox), wrong, f"at least {study.fewest_sites}", "Wait for the others; nothing is pooled")
        raise Refused(f"The inbox {inbox}", [problem])
    found = reconcile(study, received, superseded(study, inbox, received))
    refuse_if_asked(study, found)
    fitted = fitted_models(study, models) if models is not None else ([], {})
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        number = _write(study, received, partial, expected, found, fitted)
        if publications is not None:
            publish(publications, partial, target)
    except BaseException:  # half a result is never left for somebody to find
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    return {"releases": len(received.releases), "results": number, "missing": len(received.missing)}


def _write(study: Study, received: Inbox, folder: Path, expected: Mapping[str, Site], found: list[Contradiction],
           fitted: tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]) -> int:  # fmt: skip
    """Compute everything and write it to a folder; gives the number of results."""
    (folder / "cells").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for stem, entry in study.analyses.items():
        for name, declared in entry.results.items():
            if received.sites_with(stem, name):
                cells = received.stacked(stem, name)
                cells.to_csv(folder / "cells" / f"{stem}.{name}.csv", index=False, lineterminator="\n")
                notes += [{"analysis": stem, "table": name, **n} for n in incomplete_margins(cells, declared)]
        for step in entry.pooled:
            rows += _step(study, received, stem, step, [*expected])
    rows = [{name: value for name, value in row.items() if name != "table"} for row in guarded(study, rows, EMPTIED)]
    rows += fitted[0]
    if found:
        rows = [row | {"footnotes": footnotes(row, found, row["sites"].split("; "))} for row in rows]
    table_of(found).to_csv(folder / "contradictions.csv", index=False, lineterminator="\n")
    results = results_table(rows)
    results.to_csv(folder / "results.csv", index=False, lineterminator="\n", float_format="%.10g")
    who = availability(study, received, expected)
    who.to_csv(folder / "sites.csv", index=False, lineterminator="\n")
    departures(study, expected).to_csv(folder / "deviations.csv", index=False, lineterminator="\n")
    columns = ["analysis", "table", "site", "dimension", "share_missing"]
    pd.DataFrame(notes, columns=columns).to_csv(folder / "notes.csv", index=False, lineterminator="\n")
    manifests = {site: r.manifest for site, r in received.releases.items()}
    climbed = common_rungs(study, manifests)
    if len(climbed):
        climbed.to_csv(folder / "ladder.csv", index=False, lineterminator="\n")
    if QUALITY in study.analyses:
        told = lights(QUALITY, results, manifests, {site: settings.title for site, settings in expected.items()})
        told.to_csv(folder / "quality.csv", index=False, lineterminator="\n", float_format="%.10g")
    held = json.dumps(catalogue(study, manifests), indent=2, ensure_ascii=False) + "\n"
    (folder / "catalogue.jsonld").write_text(held, "utf-8")
    indices = write_indices(study, received, folder, {site: settings.title for site, settings in expected.items()})
    record = _record(study, received) | {"indices": indices, "models": fitted[1]}
    (folder / "pooled.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", "utf-8")
    return len(results)


def _step(study: Study, inbox: Inbox, stem: str, step: Step, expected: list[str]) -> Iterator[dict[str, Any]]:
    for choice in choices(step, stem, study.analyses[stem], inbox):
        sites, absent = choice.sites, NotInIt(inbox, stem, choice)
        scopes = {f"site:{site}": [site] for site in sites}
        if len(sites) >= study.fewest_sites:
            scopes = {POOLED: sites, **scopes}
        for row in METHODS[choice.method](choice.cells, choice.declared, choice.settings, scopes):
            inside = row["sites"]
            several = row["scope"] == POOLED or (row["scope"].startswith(SOME) and len(inside) != 1)  # one is its own effect
            if several and len(inside) < study.fewest_sites:
                row |= dict.fromkeys(EMPTIED) | {"reason": f"fewer than {study.fewest_sites} sites"}
            without = [s for s in expected if s not in inside] if row["scope"] == POOLED else []
            excluded = in_words({site: absent.reason(site, row) for site in without})
            yield row | {
                "analysis": stem, "table": step.table, "sites": "; ".join(inside), "n_sites": len(inside),
                "sites_without": "; ".join(without),
                "sites_excluded": excluded, "target": step.target, "why": choice.why, "period_start": study.period.start,
                "period_end": study.period.end, "releases": "; ".join(named(inbox.releases[s].digest) for s in inside),
            }  # fmt: skip


def departures(study: Study, expected: Mapping[str, Site]) -> pd.DataFrame:
    """List the recorded deviations from the plans: the study's own (site empty), and those of single sites."""
    rows = [{"analysis": stem, "site": "", **one.model_dump(mode="json")} for stem, entry in study.analyses.items()
            for one in entry.deviations]  # fmt: skip
    rows += [{"analysis": stem, "site": settings.title, **one.model_dump(mode="json")} for settings in expected.values()
             for stem, some in settings.deviations.items() for one in some]  # fmt: skip
    return pd.DataFrame(rows, columns=["analysis", "site", "date", "what", "why", "effect"])


def availability(study: Study, inbox: Inbox, expected: Mapping[str, Site]) -> pd.DataFrame:
    """Say for every site and analysis whether it is in, and why not."""
    rows = []
    for site, settings in expected.items():
        received = inbox.releases.get(site)
        for stem, entry in study.analyses.items():
            if received is None:
                state, reason, digest = "missing", "", ""
            elif stem in received.manifest["plans"]:
                collected = received.manifest.get("not_collected", {})
                state, digest = "in", received.digest
                reason = "; ".join(f"without {what}: {why}" for what, why in collected.items())
            else:
                below = stem in received.manifest.get("below_minimum", [])
                state, digest = "excluded" if below else "not run", received.digest
                reason = received.manifest["not_run"].get(stem, "released before this analysis was part of the study")
            rows.append({"site": site, "title": settings.title, "analysis": stem, "analysis_title": entry.title,
                         "state": state, "reason": reason,
                         "extract_date": received.manifest["extract_date"] if received else "",
                         "release": digest})  # fmt: skip
    return pd.DataFrame(rows)


def _record(study: Study, inbox: Inbox) -> dict[str, Any]:
    return {
        "study": study.study, "title": study.title, "protocol_digest": digests.protocol(study),
        "code_digest": digests.code(), "environment_digest": digests.environment(),
        "columns_of_results": COLUMNS, "missing": inbox.missing,
        "releases": {site: {"package": r.digest, "extract_date": r.manifest["extract_date"], "kind": r.manifest["kind"],
                            "made_up_data": r.manifest["made_up_data"], "title": r.manifest["site_title"],
                            "code_version": r.manifest["code_version"], "code_digest": r.manifest["code_digest"],
                            "disclosure": r.manifest["disclosure"]}
                     for site, r in inbox.releases.items()},
    }  # fmt: skip

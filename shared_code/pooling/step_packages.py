"""Taking in the answers to a round, and what becomes of a fitted model: the same checks, and a table for the public."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config.models import Model
from shared_code.config.site import Site
from shared_code.config.study import Study
from shared_code.config.targets import WHY
from shared_code.methods.federated import Fit
from shared_code.methods.federated_left_out import WithoutOne
from shared_code.methods.glm import DISPERSION
from shared_code.model import Refused
from shared_code.pooling.decision import in_words
from shared_code.pooling.meta import average_of_sites
from shared_code.pooling.receiving import quarantined, release_from
from shared_code.pooling.results import named, results_table
from shared_code.pooling.rounds import Rounds
from shared_code.releases import package, signatures
from shared_code.releases.approve import signers_of

RATIOS = {"logistic": "odds ratio", "poisson": "rate ratio", "modified_poisson": "risk ratio", "negative_binomial": "rate ratio"}


def signature_check(study: Study, expected: Mapping[str, Site], today: dt.date) -> Callable[[Path], None]:
    """Give a check that a package is signed by those who may sign for its site (raises model.Refused)."""

    def check(path: Path) -> None:
        found = package.opened(path)
        site = str(found.manifest.get("site"))
        wrong = [f"{site!r} takes no part in this study"]
        if site in expected:
            try:
                signed = signatures.read(found.signatures)
                wrong = signatures.faults(signed, found.digest, study.study, site, signers_of(expected[site], study), today)
            except ValueError as error:
                wrong = [str(error)]
        if wrong:
            raise Refused(str(path), signatures.as_problems(wrong, str(path)))

    return check


def take_in_step(file: Path, rounds: Rounds, quarantine: Path, decrypt: Callable[[bytes], bytes] | None = None
                 ) -> tuple[str, int]:  # fmt: skip
    """Check one answer from anywhere and put it into the inbox, whole or not at all; gives its site and round.

    decrypt  opens an encrypted package with the coordinating team's key
    Raises model.Refused with every reason; the package then stays in quarantine.
    """
    with quarantined(file, quarantine, decrypt) as (held, content):
        site, number = rounds.check_answer(held)
    package.put(rounds.answer_path(site, number), content)
    release_from(held)
    return site, number


def write_fit(rounds: Rounds, fit: Fit, titles: Mapping[str, str], target: Path, without: Mapping[str, WithoutOne] | None = None
              ) -> None:  # fmt: skip
    """Write a fitted model as a tidy table, one row per common coefficient, and beside it (JSON) how it came about.

    without  the fit without each site: its coefficients (scope loso:<site>), and its calibration slope at that site, with the
             average of these over sites (item <model>_slope), which says how the model would do elsewhere
    """
    answers = {site: _answers(rounds, fit, site) for site in fit.sites}
    written = [*_rows(rounds, fit, titles, answers)]
    for site, one in (without or {}).items():
        said = {"scope": f"loso:{site}", "method": f"as with all sites; one step from there, without {site}"}
        written += [row | said for row in _rows(rounds, one.fit, titles, answers)]
    rows = results_table([*written, *_slopes(rounds, without or {}, titles, answers)])
    table = rows.to_csv(index=False, lineterminator="\n", float_format="%.12g").encode()
    package.put(target, table)
    said = {"model": f"{rounds.stem}.{rounds.name}", "model_digest": rounds.model_digest, "settled": fit.settled,
            "table": package.digest(table), "answers": answers,
            "words": fit.words, "rounds": fit.rounds, "log_likelihood": fit.log_likelihood, "people": fit.people,
            "events": fit.events, "sites": fit.sites, "left_out": fit.left_out, "history": fit.history,
            "dispersion": None if math.isnan(fit.dispersion) else fit.dispersion,
            "estimated": [list(key) for key in fit.estimated], "covariance": fit.covariance.tolist()}  # fmt: skip
    package.put(target.with_suffix(".json"), (json.dumps(said, indent=1) + "\n").encode())


def _answers(rounds: Rounds, fit: Fit, site: str) -> list[str]:
    """List the digests of the packages with which a site answered, round by round."""
    paths = [rounds.answer_path(site, number) for number in range(1, fit.rounds + 1)]
    return [package.opened(path).digest for path in paths if path.is_file()]


def _rows(rounds: Rounds, fit: Fit, titles: Mapping[str, str], answers: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    model = rounds.model
    ratio = RATIOS.get(model.family)
    robust = {"people": ", robust variance", "clusters": f", variance from {fit.clusters} clusters"}.get(model.robust, "")
    ridge = f", ridge {model.ridge:g}" if model.ridge else ""
    without = {site: fit.left_out.get(site, "was not asked") for site in titles if site not in fit.sites} | fit.left_out
    for (column, site), coefficient in fit.coefficients.items():
        if site:  # a site's own level is its own matter, and nobody's question
            continue
        term, level, reference = _named(model, column)
        scale = math.exp if ratio and column not in ("intercept", DISPERSION) else float
        values = {name: scale(getattr(coefficient, name)) for name in ("estimate", "lower", "upper")}
        yield {
            "analysis": rounds.stem, "item": rounds.name, "group": term, "level": level, "comparator": reference,
            "measure": "coefficient" if scale is float else ratio, "scale": "coefficient" if scale is float else "ratio",
            "scope": "pooled", **values, "se": coefficient.se,
            "people": fit.people, "events": fit.events if ratio else math.nan, "reason": coefficient.reason,
            "method": f"federated {model.family.replace('_', ' ')} regression, {fit.rounds} rounds{ridge}{robust}",
            "target": "coefficients", "why": WHY["step"], "sites": "; ".join(fit.sites), "n_sites": len(fit.sites),
            "sites_without": "; ".join(without), "sites_excluded": in_words(without),
            "period_start": rounds.study.period.start, "period_end": rounds.study.period.end,
            "releases": "; ".join(named((answers[site] or [""])[-1]) for site in fit.sites),  # each site's last answer
        }  # fmt: skip


def _slopes(rounds: Rounds, without: Mapping[str, WithoutOne], titles: Mapping[str, str], answers: Mapping[str, list[str]]
            ) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Give the calibration slope at every site of the fit to the others, and their average with its prediction interval."""
    given = {site: one for site, one in without.items() if math.isfinite(one.slope.se)}
    part = pd.DataFrame([{"site": site, "estimate": one.slope.estimate, "se": one.slope.se, "people": one.events}
                         for site, one in given.items()])  # fmt: skip
    base = {"analysis": rounds.stem, "item": f"{rounds.name}_slope", "group": "everyone", "level": "all", "sex": "both",
            "scale": "coefficient", "target": "coefficients", "why": WHY["step"], "period_start": rounds.study.period.start,
            "period_end": rounds.study.period.end}  # fmt: skip
    missing = {site: one.slope.reason or "it has no slope" for site, one in without.items() if site not in given}
    absent = missing | {site: "is not in the fit" for site in titles if site not in without}
    for row in average_of_sites(base, part, absent, "identity", True, None) if given else ():
        yield row | {
            "sites": "; ".join(row["sites"]), "n_sites": len(row["sites"]), "sites_without": "; ".join(absent),
            "sites_excluded": in_words(absent), "releases": "; ".join(named((answers[s] or [""])[-1]) for s in row["sites"]),
        }  # fmt: skip


def _named(model: Model, column: str) -> tuple[str, str, str]:
    """Give term, level and reference level of a column."""
    term, _, level = column.partition("=")
    spec = model.terms.get(term)
    if not level or spec is None:
        return column, "", ""
    return term, level, "" if term == model.baseline else next(iter(spec.levels))

"""Judging: what the numbers of data quality say at one site, check by check, and which analyses cannot live with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from shared_code.config.minimum_quality import Finding
from shared_code.config.study import Period
from shared_code.measures.cohort import areas
from shared_code.measures.prepared import Prepared
from shared_code.methods import poisson_interval
from shared_code.model import ALL
from shared_code.model.checks import CHECKS, NOT_ASSESSED, WORDS, Check, verdict
from shared_code.model.units import DAYS_A_YEAR
from shared_code.quality import months as by_months
from shared_code.quality.linked import EVERYONE
from shared_code.quality.since import Moved, since

HIGH, LOW = 1.08, 0.92  # registered people against the estimated population
AREAS_IN_ENGLAND = {"IoD2019": 32_844, "IoD2025": 33_755}
FEWEST_AREAS = 30  # below this an even spread over ten deciles may be chance
TOO_EVEN = 0.005  # chance that areas drawn at random are spread so evenly over the deciles
NO_RELEASE = Moved(np.nan, "there is no earlier release of other data to compare with")


def judge(tables: Mapping[str, pd.DataFrame], prepared: Prepared, period: Period,
          earlier: Mapping[str, pd.DataFrame] | None = None) -> dict[str, Finding]:  # fmt: skip
    """Judge every check at a site: name -> finding. What cannot be judged is not assessed, with the reason.

    tables   faults, months, registered, cohort and linked, as the analysis data_quality saved them
    earlier  released cells of the tables cohort and months in the site's last release of another extract
    """
    counted = tables["faults"].set_index("check")
    moved = since(tables, earlier) if earlier is not None else {}
    found: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        if name in counted.index:
            found[name] = _of_rows(check, counted.loc[name])
        elif check.kind == "received":
            found[name] = _of_months(check, tables["months"], prepared, period)
        elif check.kind == "linked":
            found[name] = _of_linkage(check, tables["linked"])
        elif check.kind == "listed":
            found[name] = _of_list(check, tables["registered"])
        elif check.kind == "national":
            found[name] = _of_deciles(check, prepared)
        elif check.kind == "drift":
            how = moved.get(name.partition(":")[2], NO_RELEASE)
            found[name] = Finding(name, verdict(check, how.share), how.share, reason=how.words)
        else:
            found[name] = _not_assessed(check, "the site does not record it" if prepared.has(check.table) else _lacks(check))
    return found


def _not_assessed(check: Check, why: str) -> Finding:
    return Finding(check.name, NOT_ASSESSED, reason=why)


def _lacks(check: Check) -> str:
    return f"the site has no {WORDS.get(check.table, check.table.replace('_', ' '))}"


def _of_rows(check: Check, row: pd.Series) -> Finding:
    if not row["rows"]:
        return _not_assessed(check, "there are no rows to judge")
    if np.isnan(row["rows_failing"]):
        return _not_assessed(check, "the site does not collect it")
    share = row["rows_failing"] / row["rows"]
    return Finding(check.name, verdict(check, share), share, row["rows_failing"], row["rows"], row["people_failing"])


def _of_months(check: Check, months: pd.DataFrame, prepared: Prepared, period: Period) -> Finding:
    if not prepared.has(check.table):
        return _not_assessed(check, _lacks(check))
    flagged, whole, where = month_shares(months, check.table)
    if prepared.has("source_receipt"):  # what the site itself says was not delivered counts as well
        said = by_months.missing_months(by_months.receipt(prepared, period), check.table)
        where |= {check.table: sorted({*where.get(check.table, []), *said})} if said else {}
        flagged, whole = max(flagged, len(said)), whole or len(by_months.months_of(period))
    if not whole and not _rows_of(months, check.table):  # it was delivered, and there is nothing in it
        number = len(by_months.months_of(period))
        return Finding(check.name, verdict(check, 1.0), 1.0, number, number, reason="there are no rows in any month")
    if not whole:
        return _not_assessed(check, "too few rows a month to judge by")
    named = "; ".join(f"{source}: {', '.join(found)}" for source, found in where.items() if found)
    return Finding(check.name, verdict(check, flagged / whole), flagged / whole, flagged, whole, reason=named)


def _rows_of(months: pd.DataFrame, table: str) -> float:
    own = [str(source).partition(".")[0] == table for source in months["source"]]
    return float(months["records"][own].sum())


def month_shares(months: pd.DataFrame, table: str) -> tuple[int, int, dict[str, list[str]]]:
    """Count unusual months and all months judged of one table's sources, and name the unusual ones.

    months  source, month, records; nan where the number is withheld (such a month counts as few rows)
    """
    flagged, whole, where = 0, 0, {}
    for source, part in months.groupby("source", sort=True):
        if str(source).partition(".")[0] != table:
            continue
        part = part.sort_values("month")
        if not by_months.judged(part["records"]):
            continue
        bad = by_months.unusual(part["records"])
        flagged, whole = flagged + int(bad.sum()), whole + len(bad)
        where[str(source)] = list(part["month"][bad])
    return flagged, whole, where


def _of_linkage(check: Check, linked: pd.DataFrame) -> Finding:
    whole = linked[(linked["stratum"] == EVERYONE) & (linked["basis"] == "with_identifier")].set_index("source")
    one = whole.loc[ALL]
    if not one["rows"]:
        return _not_assessed(check, "records were not linked here")
    share = one["rows_failing"] / one["rows"]
    single = whole[(whole.index != ALL) & (whole["rows"] > 0)]
    named = "; ".join(f"{source}: {1 - r['rows_failing'] / r['rows']:.1%} linked" for source, r in single.iterrows())
    return Finding(check.name, verdict(check, share), share, one["rows_failing"], one["rows"], one["people_failing"], named)


def _of_list(check: Check, registered: pd.DataFrame) -> Finding:
    ratios = list_ratios(registered, [])
    whole = ratios[ratios["district"] == ALL].iloc[0]
    if not whole["population"]:
        return _not_assessed(check, "there is no estimated population to compare with")
    districts = list_ratios(registered, ["sex", "age"])
    high = [f"{r.district}, {r.sex}, {r.age}: {r.ratio:.2f}" for r in districts.itertuples() if r.flagged]
    high = [f"{r.district}: {r.ratio:.2f}" for r in ratios.itertuples() if r.flagged] + high
    worst = max(abs(whole["ratio"] - 1), *(abs(r.ratio - 1) for r in ratios.itertuples() if r.flagged), 0)
    return Finding(check.name, verdict(check, worst), worst, whole["people"], whole["population"], reason="; ".join(high[:5]))


def list_ratios(registered: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Give registered people over population by district and further dimensions, with its interval and whether it is flagged.

    Flagged: above 1.08 or below 0.92. For parts of a site the whole interval (exact or Byar, registered people as count)
    must lie beyond the limit, because among many small groups some are beyond it by chance.
    """
    keys = ["district", *by]
    table = registered.groupby(keys, as_index=False)[["people", "person_days"]].sum()
    table = table.assign(population=table["person_days"] / DAYS_A_YEAR)
    table = table[(table["population"] > 0) | ((table["district"] == ALL) & (not by))].reset_index(drop=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        table["ratio"] = table["people"] / table["population"]
        limits = poisson_interval(table["people"].to_numpy(float))
        table["lower"], table["upper"] = limits.lower / table["population"], limits.upper / table["population"]
    beyond = (table["lower"] > HIGH) | (table["upper"] < LOW)
    site = (table["district"] == ALL) & (not by)
    table["flagged"] = np.where(site, (table["ratio"] > HIGH) | (table["ratio"] < LOW), beyond)
    return table


def _of_deciles(check: Check, prepared: Prepared) -> Finding:
    if not prepared.has("area_lookup"):
        return _not_assessed(check, _lacks(check))
    lookup = areas(prepared)
    found = lookup.select("lsoa21", "imd_version", "imd_rank", "imd10").execute()
    ranked = found[found["imd_rank"].notna()]
    if len(ranked):
        total = ranked["imd_version"].map(AREAS_IN_ENGLAND).astype(float)
        wrong = int((np.ceil(ranked["imd_rank"].astype(float) * 10 / total) != ranked["imd10"]).sum())
        share = wrong / len(ranked)
        why = "decile and national rank do not agree" if wrong else ""
        return Finding(check.name, verdict(check, share), share, wrong, len(ranked), reason=why)
    if len(found) < FEWEST_AREAS:
        return _not_assessed(check, f"fewer than {FEWEST_AREAS} small areas, and no national rank to compare with")
    chance = evenness(found["imd10"])
    local = chance < TOO_EVEN
    why = "the areas are spread more evenly over the deciles than national deciles can be" if local else ""
    return Finding(check.name, verdict(check, float(local)), float(local), len(found) if local else 0, len(found), reason=why)


def evenness(deciles: pd.Series) -> float:
    """Give the chance that areas drawn at random from all deciles are spread over them at least so evenly.

    Lower tail of the chi-squared statistic of goodness of fit, over deciles and over fifths; the smaller counts. Deciles
    made inside the site are spread evenly by construction, and national ones hardly ever are.

    >>> evenness(pd.Series([1, 2, 3, 4, 5, 6, 7, 8, 9, 10] * 4)) < TOO_EVEN, evenness(pd.Series([1, 2, 3, 3] * 10)) < TOO_EVEN
    (True, False)
    """
    chances = []
    for groups, values in ((10, deciles), (5, (deciles + 1) // 2)):
        seen = values.value_counts().reindex(range(1, groups + 1), fill_value=0)
        chances.append(float(stats.chi2.cdf(((seen - len(values) / groups) ** 2 / (len(values) / groups)).sum(), groups - 1)))
    return min(chances)

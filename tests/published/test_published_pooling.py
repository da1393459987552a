"""Five published tables through the inbox: the pooled numbers equal the published ones and the known answers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from picking import only as one

from shared_code.config import Site, Study
from shared_code.releases.cells import from_csv
from shared_code.releases.package import opened
from shared_code.releases.published import release_published

SERVICES = ["AE_attendance", "admissions_electives", "admissions_emergency", "outpatient_attendance"]
REGIONS = {
    "ndl_grampian": "Grampian", "ndl_leeds": "Leeds", "ndl_liverpool_wirral": "Liverpool-Wirral",
    "ndl_north_west_london": "NW London", "ndl_wales": "Wales",
}  # fmt: skip
TABLE = "tables/hospital_use.monthly.csv"


def cells_of(package: Path) -> pd.DataFrame:
    with zipfile.ZipFile(package) as archive:
        return from_csv(archive.read(TABLE))


def manifest_of(package: Path) -> dict:
    with zipfile.ZipFile(package) as archive:
        return json.loads(archive.read("manifest.json"))


def test_every_site_has_a_package_with_every_published_cell(outbox: Path, published: pd.DataFrame) -> None:
    assert sorted(p.stem for p in outbox.glob("*.zip")) == sorted(REGIONS)
    wanted = published[published["service_type"].isin(SERVICES)]
    for site, region in REGIONS.items():
        cells, rows = cells_of(outbox / f"{site}.zip"), wanted[wanted["region"] == region]
        for statistic, column in (("people", "number_patients"), ("events", "number_events")):
            own = cells[cells["statistic"] == statistic]
            assert len(own) == len(rows)
            assert own["value"].sum() == rows[column].astype(int).sum()
            assert (own["status"] == "ok").all()


def test_squares_are_said_not_to_be_collected_and_are_neither_zero_nor_withheld(outbox: Path) -> None:
    for package in outbox.glob("*.zip"):
        squares = cells_of(package).query("statistic == 'events_squared'")
        assert set(squares["status"]) == {"not_collected"}
        assert squares[["value", "lower", "upper"]].isna().all(axis=None)


def test_person_days_are_the_list_size_times_the_days_of_the_month(outbox: Path) -> None:
    days = cells_of(outbox / "ndl_leeds.zip").query("statistic == 'person_days' and age == 'all' and sex == 'all'")
    days = days[days["deprivation"] == "all"].query("service == 'AE_attendance'").set_index("month")["value"]
    assert days["2019-02"] == 62851 * 28
    assert days["2020-02"] == 62851 * 29
    assert days["2020-04"] == 62851 * 30


def test_every_service_month_and_group_of_people_is_pooled_with_an_interval(strata, published) -> None:
    dimensions = {"age": "age", "sex": "sex", "deprivation": "imd"}
    rows = published[published["service_type"].isin(SERVICES) & published["breakdown"].isin(dimensions.values())]
    keys = ["service_type", "year_month", "breakdown", "strata"]
    together = rows.astype({"number_events": int}).groupby(keys)["number_events"].sum()
    pooled = strata[(strata["measure"] == "monthly rate") & (strata["scope"] == "pooled")].copy()
    pooled[["breakdown", "strata"]] = pooled["stratum"].str.split("=", expand=True)
    pooled["breakdown"] = pooled["breakdown"].map(dimensions)
    pooled = pooled.set_index(["item", "level", "breakdown", "strata"]).sort_index()
    assert len(pooled) == len(together) == 4 * 29 * 11
    assert (pooled["events"].to_numpy() == together.sort_index().to_numpy()).all()
    assert (pooled["lower"] < pooled["estimate"]).all() and (pooled["estimate"] < pooled["upper"]).all()
    changes = strata[(strata["measure"] == "change") & (strata["scope"] == "pooled")]
    assert len(changes) == 4 * 11 and changes[["estimate", "lower", "upper"]].notna().all(axis=None)
    for row in changes.itertuples():
        now, before = (together[row.item, month, dimensions[row.stratum.split("=")[0]], row.stratum.split("=")[1]]
                       for month in ("2020-04", "2019-04"))  # fmt: skip
        assert row.estimate == pytest.approx(100 * (now / before - 1), rel=1e-9)  # April has 30 days in both years


def test_monthly_sums_equal_the_published_ones(results: pd.DataFrame, published: pd.DataFrame) -> None:
    overall = published[(published["breakdown"] == "overall") & published["service_type"].isin(SERVICES)]
    overall = overall.astype({"number_events": int, "total_patients": int})
    monthly = results[results["measure"] == "monthly rate"]
    together = overall.groupby(["service_type", "year_month"])[["number_events", "total_patients"]].sum()
    pooled = monthly[monthly["scope"] == "pooled"].set_index(["item", "level"]).sort_index()
    assert len(pooled) == len(together) == 4 * 29
    assert (pooled["events"] == together["number_events"]).all()
    days = pd.PeriodIndex(together.index.get_level_values(1), freq="M").days_in_month
    rate = 1000 * together["number_events"] / (together["total_patients"] * days / (365.25 / 12))
    np.testing.assert_allclose(pooled["estimate"], rate, rtol=1e-9)
    for site, region in REGIONS.items():
        own = monthly[monthly["scope"] == f"site:{site}"].set_index(["item", "level"])["events"].sort_index()
        theirs = overall[overall["region"] == region].set_index(["service_type", "year_month"])["number_events"]
        assert own.to_dict() == theirs.to_dict()


@pytest.mark.parametrize("service", SERVICES)
def test_known_answer_of_the_change_and_of_its_differences_between_sites(
    service: str, results: pd.DataFrame, known: dict
) -> None:
    answer = known["T8.1"]
    right, agree = answer["expected"][service], {"rtol": answer["rtol"]}
    pooled = {"scope": "pooled", "item": service}
    change = one(results, measure="change", **pooled)
    np.testing.assert_allclose(change["estimate"], right["pooled_pct"], **agree)
    assert change["lower"] < change["estimate"] < change["upper"]
    average = one(results, measure="average change", **pooled)
    ratios = [1 + average[side] / 100 for side in ("estimate", "lower", "upper")]
    np.testing.assert_allclose(ratios, [right[k] for k in ("re_ratio", "hk_lo", "hk_hi")], **agree)
    tau2 = one(results, measure="difference between sites (tau2)", **pooled)
    np.testing.assert_allclose(tau2["estimate"], right["reml_tau2"], **agree)
    assert 0 < tau2["lower"] < tau2["estimate"] < tau2["upper"]
    elsewhere = one(results, measure="change expected in another site", **pooled)
    assert elsewhere["lower"] < average["lower"] < average["upper"] < elsewhere["upper"]
    counts = answer["inputs"]["counts"][service]
    assert change["n_sites"] == len(counts["2020-04"])
    assert change["events"] == sum(counts["2020-04"])


def test_known_answer_of_the_naive_comparison(results: pd.DataFrame, known: dict) -> None:
    answer = known["T8.2"]
    right, agree = answer["expected"], {"rtol": answer["rtol"]}
    change = one(results, measure="change", item="admissions_emergency", scope="pooled")
    assert (change["level"], change["comparator"]) == ("2020-04", "2019-04")
    np.testing.assert_allclose(change["estimate"], right["pct_vs_apr2019"], **agree)
    assert change["events"] == right["observed"]
    monthly = results.query("measure == 'monthly rate' and item == 'admissions_emergency' and scope == 'pooled'")
    years = monthly[monthly["level"].str[5:] >= "03"].groupby(monthly["level"].str[:4])["events"].sum()
    np.testing.assert_allclose(100 * (years["2019"] / years["2018"] - 1), right["MarDec2019_vs_2018_pct"], **agree)


def test_known_answer_of_the_change_against_the_own_trend(results: pd.DataFrame, known: dict) -> None:
    """The list was drawn in spring 2020 from people recently treated: their use rose, and the year before is too low."""
    answer = known["T8.2"]
    right, agree = answer["expected"], {"rtol": answer["rtol"]}
    pooled = {"scope": "pooled", "item": "admissions_emergency"}
    np.testing.assert_allclose(one(results, measure="trend", **pooled)["estimate"], right["trend_pct_per_year"], **agree)
    np.testing.assert_allclose(one(results, measure="expected", **pooled)["estimate"], right["expected_2020_04"], **agree)
    change = one(results, measure="change against trend", **pooled)
    assert change["estimate"] == pytest.approx(right["pct_vs_trend"], rel=answer["rtol"])
    naive = one(results, measure="change from a year before", **pooled)["estimate"]
    np.testing.assert_allclose(naive, right["pct_vs_apr2019"], **agree)
    assert change["upper"] < naive, "the naive change understates the fall"
    shown = {"admissions_electives": (-50.6, -57.1), "AE_attendance": (-41.5, -40.6)}  # METHODS 8
    for service, (year_before, trend) in shown.items():
        found = {m: one(results, measure=m, scope="pooled", item=service)["estimate"]
                 for m in ("change from a year before", "change against trend")}  # fmt: skip
        assert found["change from a year before"] == pytest.approx(year_before, abs=0.06)
        assert found["change against trend"] == pytest.approx(trend, abs=0.3)


def test_a_site_without_a_service_is_named_and_says_why(
    results: pd.DataFrame, pooled: Path, outbox: Path, sites: dict[str, Site]
) -> None:
    for service in SERVICES:
        row = one(results, measure="change", item=service, scope="pooled")
        without = "ndl_wales" if service in ("AE_attendance", "outpatient_attendance") else np.nan
        assert row["sites_without"] == without or (pd.isna(without) and pd.isna(row["sites_without"]))
        assert ("ndl_wales" in row["sites"]) == pd.isna(without)
        assert not len(results.query("item == @service and scope == 'site:ndl_wales'")) or pd.isna(without)
    who = pd.read_csv(pooled / "sites.csv", keep_default_na=False).set_index("site")
    assert set(who["state"]) == {"in"}
    assert who.loc["ndl_wales", "reason"] == (
        "without A&E attendances: not among the published tables; "
        "without Outpatient attendances: not among the published tables"
    )
    assert (who["reason"].drop("ndl_wales") == "").all()
    assert manifest_of(outbox / "ndl_wales.zip")["kind"] == "published tables"


def test_incomplete_margins_are_reported_with_their_share(pooled: Path, published: pd.DataFrame) -> None:
    notes = pd.read_csv(pooled / "notes.csv").set_index(["site", "dimension"])["share_missing"]
    np.testing.assert_allclose(notes["ndl_north_west_london", "age"], 12050 / 112134, rtol=1e-12)
    np.testing.assert_allclose(notes["ndl_north_west_london", "sex"], 12050 / 112134, rtol=1e-12)
    np.testing.assert_allclose(notes["ndl_leeds", "sex"], 1475 / 62851, rtol=1e-12)
    sizes = published[published["service_type"] == "admissions_emergency"].query("year_month == '2020-04'")
    shares = {}
    for site, region in REGIONS.items():
        own = sizes[sizes["region"] == region].astype({"total_patients": int})
        own = own.groupby("breakdown")["total_patients"].sum()
        for theirs, ours in (("age", "age"), ("sex", "sex"), ("imd", "deprivation")):
            shares[site, ours] = 1 - own[theirs] / own["overall"]
    short = {key: share for key, share in shares.items() if share > 0.01}
    assert set(notes.index) == set(short)
    np.testing.assert_allclose(notes[list(short)], list(short.values()), rtol=1e-9)


def test_the_workbook_and_its_csv_copy_give_the_same_numbers(
    sites: dict[str, Site], study: Study, outbox: Path, tmp_path: Path
) -> None:
    (from_book,) = [site for site in sites.values() if site.published[0].sheet]
    (other,) = {e.file for site in sites.values() for e in site.published if not e.sheet}
    as_csv = from_book.model_copy(
        update={"published": [from_book.published[0].model_copy(update={"file": other, "sheet": ""})]}
    )
    number = release_published(as_csv, study, tmp_path / "again.zip")
    first, second = cells_of(outbox / f"{from_book.site}.zip"), cells_of(tmp_path / "again.zip")
    pd.testing.assert_frame_equal(first, second)
    assert number == len(first)


def test_the_same_files_give_the_same_bytes(sites: dict[str, Site], study: Study, outbox: Path, tmp_path: Path) -> None:
    release_published(sites["ndl_grampian"], study, tmp_path / "again.zip")
    assert opened(tmp_path / "again.zip").digest == opened(outbox / "ndl_grampian.zip").digest
    assert opened(tmp_path / "again.zip").files == opened(outbox / "ndl_grampian.zip").files


def test_the_pooled_interval_is_the_least_the_published_numbers_allow(
    results: pd.DataFrame, published: pd.DataFrame
) -> None:
    """The people who had events fix, at each site, a lower limit of the sum of squares; the limits add up."""
    overall = published.query("breakdown == 'overall' and service_type == 'admissions_electives'")
    variance = 0.0
    for month in ("2020-04", "2019-04"):
        rows = overall[overall["year_month"] == month]
        squares, total = 0, 0
        for people, events in zip(rows["number_patients"].astype(int), rows["number_events"].astype(int)):
            each = [events // people + (1 if i < events % people else 0) for i in range(people)]
            squares, total = squares + sum(n * n for n in each), total + events
        variance += squares / total**2
    change = one(results, measure="change", item="admissions_electives", scope="pooled")
    np.testing.assert_allclose(change["se"], np.sqrt(variance), rtol=1e-9)

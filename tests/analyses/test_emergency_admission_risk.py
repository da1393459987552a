"""Risk of emergency admission: the planted model is recovered, and what the sums say is what the people say."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from picking import one
from scipy.special import expit, logit
from scipy.stats import rankdata

from shared_code import measures, regression
from shared_code.measures.risk import known_before
from shared_code.model import Refused
from shared_code.pooling.risk_performance import risk_performance
from shared_code.regression.tables import ModelTable

STEM, PEOPLE = "emergency_admission_risk", 6000
SITES = ["demo_ashvale", "demo_dunmere"]


@pytest.fixture(scope="session")
def shown(demonstration):
    return demonstration(PEOPLE, *SITES, protected=False)


@pytest.fixture(scope="session")
def scored(shown) -> dict[str, pd.DataFrame]:
    """Everybody's outcome and predicted risk in the year of the test, person by person, as only a site may see it."""
    entry, found = shown.study.analyses[STEM], {}
    from shared_code.config.plan import Plan

    plan = Plan(shown.study, STEM)
    for made in shown.sites:
        people = measures.admission_risk(made.prepared, plan.codelist(), plan.day("tested_on"),
                                         palliative=plan.codelist("palliative"))  # fmt: skip
        known = regression.model_frame(entry.models["admission"], people)
        risk = regression.predicted(entry.models["admission"], plan.parameter("coefficients"), known)
        found[made.site.site] = people.loc[known.index].assign(risk=risk)
    return found


@pytest.fixture(scope="session")
def pooled(shown) -> pd.DataFrame:
    return shown.pool(STEM)


def test_the_planted_log_odds_are_recovered(shown):
    """Fitted to both sites with an intercept each, from the tables that stay in the private rooms."""
    shown.tables(STEM)
    model, designs, outcomes = shown.study.analyses[STEM].models["admission"], [], []
    for made in shown.sites:
        table = pd.read_parquet(made.folder / "results" / STEM / "models" / "admission.parquet")
        own = np.zeros((len(table), len(shown.sites)))
        own[:, shown.sites.index(made)] = 1
        designs.append(np.hstack([own, ModelTable(model, table)[0 : len(table)][:, 1:]]))
        outcomes.append(table["outcome"])
    fit = sm.GLM(np.concatenate(outcomes), np.vstack(designs), family=sm.families.Binomial()).fit()
    truth = shown.sites[0].truth["emergency_admissions"]["log_odds"]
    planted = [made.truth["emergency_admissions"]["intercept"] for made in shown.sites] + [truth[c] for c in model.columns[1:]]
    z = (fit.params - planted) / fit.bse
    assert np.abs(z).max() < 3.5 and np.mean(np.square(z)) < 2.5


def test_sums_say_what_the_people_say(scored, pooled):
    """Calibration, Brier score, decision curve and capacity from released sums, against every person's own numbers."""
    everyone = pd.concat(scored.values())
    p, y = everyone["risk"].to_numpy(), everyone["outcome"].to_numpy()
    assert one(pooled, "observed over expected", group="everyone")["estimate"] == pytest.approx(y.sum() / p.sum())
    assert one(pooled, "Brier score")["estimate"] == pytest.approx(np.mean((p - y) ** 2))
    for edge in (10, 15, 20, 30):
        flagged = p >= edge / 100
        benefit = 1000 * ((flagged & (y == 1)).sum() - (flagged & (y == 0)).sum() * edge / (100 - edge)) / len(p)
        where = {"stratum": f"band={edge}"}
        assert one(pooled, "net benefit", **where)["estimate"] == pytest.approx(benefit)
        assert one(pooled, "flagged", **where)["estimate"] == pytest.approx(100 * flagged.mean())
        assert one(pooled, "sensitivity", **where)["estimate"] == pytest.approx(100 * y[flagged].sum() / y.sum())
    assert (everyone["core20"].eq("core20") == everyone["deprivation"].eq("1")).all()
    ethnic = everyone["ethnicity"].eq("White").map({True: "White", False: "other"})
    for group, level in (("deprivation", "1"), ("deprivation", "4"), ("ethnic", "White"), ("ethnic", "other")):
        part = everyone[(ethnic if group == "ethnic" else everyone[group]) == level]
        offered = part[part["risk"] >= 0.2]
        expected = {"observed over expected": part["outcome"].sum() / part["risk"].sum(),
                    "sensitivity from 20 %": 100 * offered["outcome"].sum() / part["outcome"].sum(),
                    "admitted of those flagged from 20 %": 100 * offered["outcome"].mean()}  # fmt: skip
        for measure, value in expected.items():
            assert one(pooled, measure, group=group, level=level)["estimate"] == pytest.approx(value), (group, level, measure)


def rows_of(shown, times: float) -> dict[str, float]:
    """Give the mean predicted risk of every band where rounding has made the sums of risks so many times what they were."""
    tables, cells = shown.tables(STEM), shown.cells(STEM)["performance"]
    cells.loc[(cells["statistic"] == "sum") & (cells["band"] != "all"), "value"] *= times
    step = shown.study.analyses[STEM].pooled[0]
    rows = risk_performance(cells, shown.study.analyses[STEM].results["performance"], step.settings, {"pooled": list(tables)})
    return {row["stratum"].partition("=")[2]: row["estimate"] for row in rows if row["measure"] == "predicted in the band"}


def test_bands_and_capacity_say_what_the_people_say(shown, scored, pooled):
    """Mean predicted and observed risk of every band; the few at the highest risk, between what random and full ranking find."""
    everyone = pd.concat(scored.values())
    p, y = everyone["risk"].to_numpy(), everyone["outcome"].to_numpy()
    for low, high, band in ((0, 10, "0-9"), (20, 30, "20-29")):
        inside = (p >= low / 100) & (p < high / 100)
        expected = {"predicted in the band": p[inside].mean(), "observed in the band": y[inside].mean(),
                    "people in the band": inside.mean()}  # fmt: skip
        for measure, value in expected.items():
            assert one(pooled, measure, stratum=f"band={band}")["estimate"] == pytest.approx(100 * value), (band, measure)
    released = rows_of(shown, 2.0)
    for band, low, high in (("40-44", 40, 45), ("45+", 45, 100)):
        assert low <= released[band] <= high, "rounding takes no mean out of its band"
    top = p >= 0.45
    for share in (1, 2, 5):
        row, many = one(pooled, "sensitivity", stratum=f"capacity={share}"), share / 100 * len(p)
        assert row["people"] == pytest.approx(many) and row["method"].endswith("as if its people were taken at random")
        if many < top.sum():
            assert row["events"] == pytest.approx(many * y[top].mean())
        ranked = y[np.argsort(-p, kind="stable")][: round(many)].sum()
        assert row["events"] < ranked + 3 * np.sqrt(ranked), "no more than the full ranking finds, but for chance"
        precision = one(pooled, "admitted of those flagged", stratum=f"capacity={share}")
        assert precision["estimate"] == pytest.approx(100 * row["events"] / many) and precision["lower"] < precision["estimate"]


def test_limits_of_the_brier_score_are_those_of_drawing_people_anew(scored, pooled):
    """Against a bootstrap of people, 1,000 times, which no coordinating team can make; a withheld band leaves the limits out."""
    everyone = pd.concat(scored.values())
    p, y = everyone["risk"].to_numpy(), everyone["outcome"].to_numpy()
    rng, drawn = np.random.default_rng(1), []
    for _ in range(1000):
        who = rng.integers(0, len(p), len(p))
        brier, share = np.mean((p[who] - y[who]) ** 2), y[who].mean()
        drawn.append((brier, 100 * (1 - brier / (share * (1 - share)))))
    for k, name in enumerate(("Brier score", "scaled Brier score")):
        row = one(pooled, name)
        assert row["se"] == pytest.approx(np.std(drawn, axis=0)[k], rel=0.1)
        limits = np.quantile(drawn, [0.025, 0.975], axis=0)[:, k]
        assert [row["lower"], row["upper"]] == pytest.approx(limits, abs=0.3 * row["se"])


def test_without_every_band_the_brier_score_has_no_limits(shown):
    tables = shown.tables(STEM)
    first = next(iter(tables))
    cells = shown.cells(STEM)["performance"]
    gone = (cells["site"] == first) & (cells["band"] == "30-39")
    cells.loc[gone, "value"] = np.nan
    step = shown.study.analyses[STEM].pooled[0]
    rows = risk_performance(cells, shown.study.analyses[STEM].results["performance"], step.settings, {"pooled": list(tables)})
    found = next(row for row in rows if row["measure"] == "Brier score")
    assert np.isfinite(found["estimate"]) and "lower" not in found and "withheld" in found["reason"]


def test_the_area_from_bins_is_near_that_of_the_people(scored, pooled):
    """Within the error that the bins admit; and the slope and intercept near those of the ungrouped regression."""
    everyone = pd.concat(scored.values())
    p, y = everyone["risk"].to_numpy(), everyone["outcome"].to_numpy()
    ranks = rankdata(p)
    area = (ranks[y == 1].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (1 - y).sum())
    row = one(pooled, "area under the curve")
    error = float(row["method"].rsplit(" ", 1)[1])
    assert abs(row["estimate"] - 100 * area) <= error + 0.1
    slope = sm.GLM(y, sm.add_constant(logit(p)), family=sm.families.Binomial()).fit()
    row = one(pooled, "calibration slope")
    assert abs(row["estimate"] - slope.params[1]) < 0.75 * row["se"]
    large = sm.GLM(y, np.ones((len(y), 1)), offset=logit(p), family=sm.families.Binomial()).fit()
    assert one(pooled, "calibration in the large")["estimate"] == pytest.approx(large.params[0], abs=0.03)


def test_a_site_of_another_level_is_told_to_recalibrate(shown, scored):
    """Pitfall: an intercept of other sites, applied where admissions are more common, is found out; the ranking is not harmed."""
    declared = shown.study.analyses[STEM].results["performance"]
    levels = {name: spec.levels() for name, spec in declared.dimensions.items()}
    edges = list(declared.dimensions["band"].bands)
    found = {}
    for shift in (0.0, 0.7):
        sums = {}
        for site, people in scored.items():
            risk = expit(logit(people["risk"]) - shift)
            groups = measures.judged(people, risk, 20)
            sums[site] = {"performance": measures.risk_sums(groups, risk, edges, levels, declared.sets)}
        other = type(shown)(shown.study, shown.sites, False, _run={STEM: sums})
        found[shift] = other.pool(STEM)
    large = {shift: one(r, "calibration in the large")["estimate"] for shift, r in found.items()}
    assert large[0.7] - large[0.0] == pytest.approx(0.7, abs=0.03)
    assert one(found[0.7], "calibration slope")["verdict"] == "recalibrate before use"
    assert one(found[0.0], "calibration slope")["verdict"] == "use as it is"
    areas = [one(r, "area under the curve within sites")["estimate"] for r in found.values()]
    assert abs(areas[0] - areas[1]) < 4


def _deficits():
    from shared_code.config import codelists

    return codelists.load("frailty_deficits/2026-11")


def test_leakage_would_show_as_a_better_prediction(shown):
    """Pitfall: scores that include what was recorded in the year to be predicted seem to predict it better than they can."""
    made = shown.sites[0]
    on = dt.date(2024, 4, 1)
    people = measures.admission_risk(made.prepared, _deficits(), on)
    spells = made.prepared.admission.execute()
    after = spells[(pd.to_datetime(spells["admi_date"]) >= "2024-04-01") & (pd.to_datetime(spells["admi_date"]) < "2025-04-01")]
    leaked = people["emergency"] + people["person_id"].map(after.groupby("person_id").size()).fillna(0)

    def area(score: pd.Series) -> float:
        ranks, y = rankdata(score), people["outcome"].to_numpy()
        return (ranks[y == 1].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (1 - y).sum())

    assert area(leaked) > area(people["emergency"]) + 0.2
    dates = known_before(made.prepared, on).select("event_date").execute()["event_date"]
    assert pd.to_datetime(dates).max() < pd.Timestamp(on)


def test_backdated_records_of_the_made_up_site_are_not_used_and_would_flatter(shown, scored, tmp_path):
    """Pitfall (leakage) on the demonstration itself: deficits entered after an admission, and dated before it, predict it."""
    made, on = shown.sites[0], dt.date(2025, 4, 1)
    events = pd.read_parquet(made.folder / "prepared" / "condition_event.parquet")
    dated, recorded = pd.to_datetime(events["event_date"]), pd.to_datetime(events["recorded_date"])
    assert (recorded >= dated).all() and recorded.max() < pd.Timestamp("2026-04-01")
    late = (dated < pd.Timestamp(on)) & (recorded >= pd.Timestamp(on))
    planted = made.truth["emergency_admissions"]["backdated"]
    assert 0.5 * planted < late.sum() < planted + 200 and planted > 100
    events.assign(recorded_date=events["event_date"]).to_parquet(tmp_path / "condition_event.parquet", index=False)
    people, found = scored[SITES[0]], {}
    for name, prepared in (("guarded", made.prepared), ("leaking", measures.open_prepared(tmp_path))):
        score = measures.frailty(prepared, _deficits(), on).set_index("person_id")["deficits"]
        found[name] = people["person_id"].map(score).fillna(0)
    y, areas = people["outcome"].to_numpy(), {}
    for name, score in found.items():
        areas[name] = (rankdata(score)[y == 1].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (1 - y).sum())
    assert areas["leaking"] > areas["guarded"] + 0.05
    assert found["guarded"].tolist() == people["deficits"].tolist(), "what the analysis used is what was known"


def test_only_the_coefficients_of_the_protocol_predict(shown, scored):
    model = shown.study.analyses[STEM].models["admission"]
    frame = scored[SITES[0]].head()
    with pytest.raises(Refused, match="missing: intercept"):
        regression.predicted(model, {"age=85+": 1.0}, frame)


def test_over_sites_there_is_a_prediction_for_another_site(pooled):
    """Area, slope and calibration in the large of both sites are averaged, as effects of sites are."""
    for item in ("auc", "slope", "citl"):
        rows = pooled[(pooled["item"] == item) & (pooled["measure"] == "effect at the site")]
        assert sorted(rows["scope"]) == [f"site:{name}" for name in SITES]
        assert one(pooled, "pooled estimate", item=item)["n_sites"] == 2


def test_each_site_is_left_out_and_predicted_from_the_others(shown, scored, pooled):
    """Internal-external validation: the intercept comes from the other site's people only, person by person the same."""
    for left_out, other in (SITES, SITES[::-1]):
        there, here = scored[other], scored[left_out]
        p, y = there["risk"].to_numpy(), there["outcome"].to_numpy()
        large = sm.GLM(y, np.ones((len(y), 1)), offset=logit(p), family=sm.families.Binomial()).fit().params[0]
        expected = expit(logit(here["risk"].to_numpy()) + large).sum()
        row = pooled[(pooled["item"] == "elsewhere") & (pooled["scope"] == f"site:{left_out}")].iloc[0]
        assert row["estimate"] == pytest.approx(here["outcome"].sum() / expected, rel=0.01)
        assert row["se"] == pytest.approx(1 / np.sqrt(here["outcome"].sum()))
    average = one(pooled, "pooled estimate", item="elsewhere")
    assert average["n_sites"] == 2 and average["lower"] < 1 < average["upper"]


def test_the_area_within_sites_has_limits_that_hold_the_persons_area(scored, pooled):
    row = one(pooled, "area under the curve within sites")
    pairs, areas = [], []
    for people in scored.values():
        ranks, y = rankdata(people["risk"]), people["outcome"].to_numpy()
        pairs.append(y.sum() * (1 - y).sum())
        areas.append((ranks[y == 1].sum() - y.sum() * (y.sum() + 1) / 2) / pairs[-1])
    assert row["lower"] < 100 * np.average(areas, weights=pairs) < row["upper"] < row["estimate"] + 8


def test_what_was_recorded_after_the_day_is_not_used_though_it_is_dated_before(shown, tmp_path):
    """Pitfall (backdated codes): what was entered after the day is as if it were not there; used, it would raise scores."""
    made, on = shown.sites[0], dt.date(2024, 4, 1)
    events = pd.read_parquet(made.folder / "prepared" / "condition_event.parquet")
    dated = pd.to_datetime(events["event_date"])
    late = (dated < pd.Timestamp(on)) & (dated >= pd.Timestamp(on) - pd.Timedelta(days=700)) & (events.index % 3 == 0)
    assert late.sum() > 100
    told = dated.mask(late, pd.Timestamp(on) + pd.Timedelta(days=30)).dt.date
    scores = {}
    at_once = events.assign(recorded_date=dated.dt.date)
    for name, table in (("late", events.assign(recorded_date=told)), ("absent", at_once[~late]), ("used", at_once)):
        folder = tmp_path / name
        folder.mkdir()
        table.to_parquet(folder / "condition_event.parquet", index=False)
        found = measures.frailty(measures.open_prepared(folder), _deficits(), on)
        scores[name] = found[["person_id", "deficits", "hospital_points"]].set_index("person_id").sort_index()
    pd.testing.assert_frame_equal(scores["late"], scores["absent"])
    assert scores["used"]["deficits"].sum() > scores["late"]["deficits"].sum()


def test_whoever_is_chosen_for_stays_has_fewer_in_the_next_year_by_itself(scored):
    """Pitfall (risk is not benefit): all had a stay in the year before, nobody did anything, and most have none in the next."""
    people = pd.concat(scored.values())
    chosen = people[people["emergency"] > 0]
    assert len(chosen) > 100 and chosen["outcome"].mean() < 0.5
    assert chosen["outcome"].mean() > people.loc[people["emergency"] == 0, "outcome"].mean()  # and they are at risk all the same
    assert "has a\nlower one later by itself" in Path(f"reports/{STEM}.qmd").read_text("utf-8")


def test_the_page_states_the_rule_that_is_applied():
    from shared_code.pooling.risk_performance import OFF, SLOPES

    words = " ".join(Path(f"reports/{STEM}.qmd").read_text("utf-8").split())
    assert f"within {OFF} of nothing and a slope of {SLOPES[0]} to {SLOPES[1]}" in words

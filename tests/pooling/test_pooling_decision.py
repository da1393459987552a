"""The decision rule: what is asked for and what was sent decide the method; every number says why, and who is not in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from shared_code import methods
from shared_code.config.steps import METHODS as SETTINGS
from shared_code.config.study import Analysis
from shared_code.config.targets import TARGETS, WRONG, method_of
from shared_code.model import LAYOUTS
from shared_code.pooling.decision import choices, in_words, named_reasons
from shared_code.pooling.inbox import Inbox
from shared_code.pooling.pool import METHODS, pool

POINTS = methods.default_points()
RESULTS = {
    "effects": {"title": "t", "layout": "estimates", "dimensions": {"term": {"values": {"common": "", "rare": ""}}}},
    "curves": {"title": "t", "layout": "profile", "dimensions": {
        "term": {"values": {"common": "", "rare": ""}}, "point": {"points": [-2.0, 2.0, 16]}}},
    "people": {"title": "t", "layout": "counts", "dimensions": {"item": {"values": {"x": ""}}}},
}  # fmt: skip
EFFECT = {"target": "effect", "table": "effects", "item": "term", "unit": "ratio", "scale": "log"}


def entry(*steps: dict[str, Any]) -> Analysis:
    return Analysis.model_validate({"title": "t", "question": "q", "results": RESULTS, "pooled": list(steps)})


def test_every_pair_of_target_and_layout_has_a_method_that_pooling_knows():
    for target, kinds in TARGETS.items():
        for layout, method in kinds.items():
            assert layout in LAYOUTS and method in METHODS and method in SETTINGS, (target, layout)
            assert method_of(target, layout) == method
    assert all(target in TARGETS and layout not in TARGETS[target] for target, layout in WRONG)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"target": "quantile", "table": "effects", "item": "term"}, "medians of sites do not average"),
        ({"target": "proportion", "table": "effects", "item": "term"}, "averages of site percentages"),
        ({"target": "effect", "table": "people", "item": "item", "unit": "u"}, "declared under models:"),
        ({"target": "efect", "table": "effects"}, "did you mean effect?"),
        ({**EFFECT, "method": "gather"}, "is pooled by meta_analysis, not by gather"),
        ({"method": "shares", "table": "effects", "item": "term"}, "shares does not pool tables of the layout estimates"),
        ({**EFFECT, "profiles": {"table": "people", "point": "point"}}, "'people' is not a table of likelihood profiles"),
        ({**EFFECT, "profiles": {"table": "curves", "point": "pt"}}, "'pt' is not a dimension of curves"),
    ],
)
def test_a_target_that_cannot_be_met_is_an_error_that_says_what_sites_would_have_to_send(step, words):
    with pytest.raises(ValidationError) as error:
        entry(step)
    assert words in str(error.value) and error.value.error_count() == 1


def estimates(fewest: int) -> pd.DataFrame:
    rows = []
    for site, term in ((s, t) for s in "abc" for t in ("common", "rare")):
        people = fewest if (site, term) == ("b", "rare") else 60
        for statistic, value in (("estimate", -0.3), ("se", 0.2), ("people", people), ("person_days", 900.0)):
            rows.append({"site": site, "term": term, "statistic": statistic, "value": value, "status": "ok",
                         "lower": value, "upper": value})  # fmt: skip
    return pd.DataFrame(rows)


def curves() -> pd.DataFrame:
    rows = []
    for site in "abc":
        for point in POINTS:
            for statistic in ("log_likelihood", "gradient", "people", "events"):
                rows.append({"site": site, "term": "rare", "point": repr(float(point)), "statistic": statistic,
                             "value": -point * point, "status": "ok", "lower": np.nan, "upper": np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def inbox(**tables: pd.DataFrame) -> Inbox:
    releases = {}
    for site in "abc":
        own = {("did", name): table[table["site"] == site].drop(columns="site") for name, table in tables.items()}
        releases[site] = SimpleNamespace(tables=own, manifest={"plans": {"did": ""}, "not_run": {}}, digest="0" * 64)
    return Inbox(releases)  # type: ignore[arg-type]


def test_an_effect_that_is_rare_somewhere_goes_to_profiles_and_the_others_stay():
    asked = entry({**EFFECT, "profiles": {"table": "curves", "point": "point"}})
    step = asked.pooled[0]
    chosen = list(choices(step, "did", asked, inbox(effects=estimates(9), curves=curves())))
    assert [(c.method, sorted(set(c.cells["term"]))) for c in chosen] == [("profile", ["rare"]), ("meta_analysis", ["common"])]
    assert "fewer than 10 people" in chosen[0].why and "averaged" in chosen[1].why
    chosen = list(choices(step, "did", asked, inbox(effects=estimates(10), curves=curves())))
    assert [(c.method, sorted(set(c.cells["term"]))) for c in chosen] == [("meta_analysis", ["common", "rare"])]
    without = list(choices(step, "did", asked, inbox(effects=estimates(9))))  # nobody sent profiles
    assert [(c.method, sorted(set(c.cells["term"]))) for c in without] == [("meta_analysis", ["common", "rare"])]


def test_every_pooled_number_says_why_and_who_is_not_in_it(network, draw_people, counted, one):
    made, people = network("illness"), draw_people(3, 3)
    for number, name in enumerate(["aber", "bree", "cove"]):
        made.send(name, ill=counted(people[people["site"] == number], areas=name != "bree"))
    made.expected["dunn"] = made.site("dunn")  # takes part, and has sent nothing
    pool(made.study, made.inbox, made.target, made.expected)
    results = pd.read_csv(made.target / "results.csv", keep_default_na=False)
    pooled = results[results["scope"] == "pooled"]
    assert pooled["why"].str.startswith("sums add up").all() and (pooled["period_start"] == "2020-01-01").all()
    for row in pooled.to_dict("records"):
        said = named_reasons(row["sites_excluded"])
        assert list(said) == [s for s in row["sites_without"].split("; ") if s]
        assert sorted([*said, *row["sites"].split("; ")]) == ["aber", "bree", "cove", "dunn"]
        assert said["dunn"] == "no release has arrived"
    by_area = one(pooled, measure="crude prevalence", item="asthma", group="area", level="1", sex="both")
    assert named_reasons(by_area["sites_excluded"])["bree"] == "not broken out by area"
    everyone = one(pooled, measure="crude prevalence", item="asthma", group="everyone", sex="both")
    assert everyone["sites"] == "aber; bree; cove"


def test_reasons_are_read_back_as_they_were_written():
    said = {"a": "withheld: fewer people than the threshold", "b_2": "cannot (for now) be said; ask", "c": "not collected"}
    assert named_reasons(in_words(said)) == said

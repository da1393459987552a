"""The figure of a fitted model: every level beside its reference, with the numbers in words; nothing where it is not fitted."""

from __future__ import annotations

import pandas as pd
import pytest

from shared_code.config import Study
from shared_code.figures.checks import problems
from shared_code.figures.draw import draw_one, requests

TERMS = {"age": {"label": "Age", "bands": [40, 55, 65, 75]},
         "deprivation": {"label": "Deprivation", "values": {"1": "1 (most)", "2": "2", "5": "5 (least)"}, "reference": "5"},
         "weight": {"label": "Weight", "number": {"centre": 75, "scale": 10}}}  # fmt: skip
LEVELS = [("age", "55-64", "40-54", 1.8), ("age", "65-74", "40-54", 2.9), ("age", "75+", "40-54", 4.4),
          ("deprivation", "1", "5", 1.6), ("deprivation", "2", "5", 1.2), ("weight", "", "", 1.1)]  # fmt: skip


def with_model(made) -> Study:
    asked = {"model": {"kind": "coefficients", "caption": "A model", "model": "m"}}
    written = made.study(asked, made.titles(2)).model_dump(mode="json")
    written["analyses"]["one"]["models"] = {"m": {"title": "Two or more", "family": "logistic", "terms": TERMS}}
    return Study.model_validate(written)


def rows(made) -> list[dict]:
    common = {"measure": "odds ratio", "item": "m", "scale": "ratio", "people": 26_000, "events": 5200,
              "method": "federated logistic regression, 6 rounds"}  # fmt: skip
    return [made.row(group=group, level=level, comparator=against, **common, **made.interval(value, 1.2))
            for group, level, against, value in reversed(LEVELS)]  # fmt: skip


def drawn_of(made, folder, target: str = "coefficients", found: list[dict] | None = None):
    pooled = made.write(folder, rows(made) if found is None else found, made.site_names(5))
    frame = pd.read_csv(pooled / "results.csv", keep_default_na=False)
    frame.assign(target=target).to_csv(pooled / "results.csv", index=False)
    (request,) = requests(with_model(made), pooled)
    assert not list(problems(request))
    return draw_one(request)


def test_every_level_stands_under_its_term_beside_its_reference(made, look, tmp_path):
    drawn = drawn_of(made, tmp_path)
    words = [text.get_text().strip() for text in drawn.picture.texts]
    order = ["Age", "40-54", "55-64", "65-74", "75+", "Deprivation", "5 (least)", "1 (most)", "2", "Weight"]
    assert [word for word in words if word in order] == order
    assert words.count("reference") == 2 + 1  # one in the key
    assert "26,000 people, 5,200 events" in drawn.subtitle and "own intercept" in " ".join(drawn.notes)
    assert list(drawn.numbers["level_title"]) == ["Age 55-64", "Age 65-74", "Age 75+", "Deprivation 1 (most)", "Deprivation 2",
                                                  "weight"]  # fmt: skip
    assert list(drawn.numbers["estimate"]) == [1.8, 2.9, 4.4, 1.6, 1.2, 1.1]
    assert "Age 75+ 4.40 (3.67 to 5.28)" in drawn.alt and "Deprivation 1 (most) 1.60" in drawn.alt


@pytest.mark.parametrize("found", [[], None])
def test_a_model_that_was_not_fitted_says_so(made, look, tmp_path, found):
    drawn = drawn_of(made, tmp_path, target="", found=found)
    assert "has not been fitted" in drawn.nothing


def test_an_unknown_model_is_refused(made, tmp_path):
    study = with_model(made)
    pooled = made.write(tmp_path, rows(made), made.site_names(5))
    (request,) = requests(study, pooled)
    figure = request.figure.model_copy(update={"model": "n"})
    wrong = list(problems(type(request)(request.plan, request.name, figure, request.results, request.sites, request.cells)))
    assert wrong and "'n' is not a model of this analysis" in str(wrong[0])


def test_the_slope_at_each_site_left_out_is_a_forest(made, look, tmp_path):
    asked = {"slopes": {"kind": "forest", "caption": "Slopes", "item": "m_slope"}}
    written = made.study(asked, made.titles(2)).model_dump(mode="json")
    written["analyses"]["one"]["models"] = {"m": {"title": "Two or more", "family": "logistic", "terms": TERMS}}
    names = [*made.site_names(3)]
    common = {"item": "m_slope", "scale": "coefficient", "group": "everyone", "level": "all"}
    found = [made.row(measure="effect at the site", scope=f"site:{name}", weight=1 / 3, **common,
                      **{"estimate": v, "lower": v - 0.2, "upper": v + 0.2})
             for name, v in zip(names, (0.9, 1.0, 1.2), strict=True)]  # fmt: skip
    found.append(made.row(measure="pooled estimate", **common, estimate=1.03, lower=0.8, upper=1.2, pi_lo=0.5, pi_hi=1.6))
    pooled = made.write(tmp_path, [*found, *rows(made)], made.site_names(3))
    (request,) = requests(Study.model_validate(written), pooled)
    assert not list(problems(request))
    drawn = draw_one(request)
    assert not drawn.nothing and len(drawn.numbers) == 4 and "Pooled 1.0 coefficient" in drawn.alt

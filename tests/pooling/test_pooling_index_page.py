"""The page of the ward index, from releases to HTML: figures drawn, both indices told apart, every number from the tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress

from shared_code.config import Study, digests
from shared_code.figures import draw_figures
from shared_code.rendering import render
from shared_code.reporting.stage import stage

STEM = "social_progress_index"
ROOT = Path(__file__).parents[2]


def wards(site: int) -> pd.DataFrame:
    rng = np.random.default_rng(site)
    hardship = rng.normal(0, 1, 9)
    return pd.DataFrame([
        {"edition": "2024-05", "ward": f"Made-up {n} E05{site:03d}{n:03d}", "term": term,
         "estimate": middle + 3 * h + rng.normal(0, 0.5), "se": 0.8, "people": 200, "person_days": 0.0}
        for n, h in enumerate(hardship) for term, middle in (("working_age", 18), ("later_life", 60), ("depression", 14))
    ])  # fmt: skip


@pytest.fixture(scope="module")
def net(network_of: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("page")
    made = network_of(folder, "life")
    study = Study.read(ROOT / "config" / "study.yaml")
    entry = study.analyses[STEM]
    shown = {name: use.model_copy(update={"draws": 200}) for name, use in entry.indices.items()}
    entry = entry.model_copy(update={"indices": shown, "minimum_quality": {}, "needs": []})
    made.study = study.model_copy(update={"study": "tiny", "analyses": {STEM: entry}})
    for number, site in enumerate(("north", "south"), 1):
        frame = wards(number)
        (folder / site / STEM).mkdir(parents=True)
        made.send(site, wards=frame)
    made.pool()
    draw_figures(made.study, made.target, folder / "figures")
    stage(made.study, ROOT / "reports", made.target, folder / "figures", folder / "staged")
    for path in (folder / "staged").glob("*.qmd"):  # this page only: the others have tests of their own
        if path.stem != STEM and not path.stem.startswith("_"):
            path.write_text("---\ntitle: Elsewhere\n---\n", "utf-8")
    render(folder / "staged", folder / "report", {})
    made.folder = folder
    made.page = (folder / "report" / f"{STEM}.html").read_text("utf-8")
    return made


def test_the_page_leads_to_its_plan_and_the_report_holds_it(net: Any):
    """The link is one of the built-in renderer's output: a file that is not there would have stopped it."""
    assert f'href="plans/{STEM}.html"' in net.page
    plan = (net.folder / "report" / "plans" / f"{STEM}.html").read_text("utf-8")
    assert digests.signed(net.study, STEM) in plan


def test_the_page_shows_both_indices_and_never_mixes_them(net: Any):
    text = re.sub(r"<[^>]+>", " ", net.page)
    assert text.index("The real wards of Staffordshire") < text.index("NHS indicators of made-up wards")
    real = pd.read_csv(net.target / "indices" / "ward_social_progress.csv")
    made_up = pd.read_csv(net.target / "indices" / "made_up_health.csv")
    assert real["place"].nunique() == 204 and made_up["place"].nunique() == 18
    assert not set(real["place"]) & set(made_up["place"])
    assert "204 wards of one edition (2017-12)" in re.sub(r"\s+", " ", text)
    assert "18 wards of one edition (2024-05)" in re.sub(r"\s+", " ", text)


def test_the_page_gives_the_numbers_of_the_tables(net: Any):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", net.page))
    total = pd.read_csv(net.target / "indices" / "ward_social_progress.csv").query("level == 'index'")
    best = total.sort_values(["rank", "place"]).iloc[0]
    assert f"Highest: {best['name']}, {best['district']} (score {best['score']:.1f}, rank {best['rank']:.0f}" in text
    for group, title in (("staffordshire", "Staffordshire"), ("stoke", "Stoke-on-Trent")):
        mine = total[total["group"] == group]
        assert f"{title}: {len(mine)} wards, mean score {mine['score'].mean():.1f}" in text
    assert "Open Government Licence v3.0" in text and "rights and voice" in text.lower()
    assert len(re.findall(r"E\d{8}", text)) == 0  # wards are named


def test_every_figure_is_drawn_with_numbers_and_words(net: Any):
    for name in net.study.analyses[STEM].figures:
        assert f"{STEM}.{name}.svg" in net.page
        numbers = pd.read_csv(net.folder / "figures" / f"{STEM}.{name}.csv")
        assert len(numbers) and numbers["score"].notna().any()
        alt = re.search(r'alt="([^"]+)"[^>]*', net.page[net.page.index(f"{STEM}.{name}.svg") - 2000 :])
        assert alt and re.search(r"\d", alt[1])


def test_without_boundaries_the_map_is_a_cartogram_with_the_same_numbers(net: Any, monkeypatch: Any, tmp_path: Path):
    monkeypatch.setattr("shared_code.config.rooms.open_data", lambda: None)
    draw_figures(net.study, net.target, tmp_path / "figures")
    said = (tmp_path / "figures" / f"{STEM}.map.json").read_text("utf-8")
    assert "Cartogram of 204 wards" in said and "one hexagon for each ward" in said
    one, other = (pd.read_csv(folder / "figures" / f"{STEM}.map.csv") for folder in (tmp_path, net.folder))
    pd.testing.assert_frame_equal(one, other)


def test_scores_beside_low_income_are_those_of_a_line_of_least_squares(net: Any):
    """Residuals once more with another library, and income is context: in no component of the index."""
    drawn = pd.read_csv(net.folder / "figures" / f"{STEM}.beside_income.csv")
    assert len(drawn) == 204 and drawn["named"].sum() == 8
    line = linregress(drawn["context"], drawn["score"])
    np.testing.assert_allclose(drawn["apart"], drawn["score"] - line.intercept - line.slope * drawn["context"], atol=1e-6)
    assert line.slope < 0 and set(drawn.loc[drawn["named"], "place"]) >= {drawn.loc[drawn["apart"].idxmax(), "place"]}
    table = pd.read_csv(net.target / "indices" / "ward_social_progress.csv")
    income = table[table["item"] == "income_deprivation"]
    assert set(income["level"]) == {"context"} and income["score"].isna().all()
    said = (net.folder / "figures" / f"{STEM}.beside_income.json").read_text("utf-8")
    assert f"{100 * line.rvalue**2:.0f} % of the differences" in said

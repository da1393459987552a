"""The review page: it shows exactly what would leave, works without a network or a mouse, and can be read by everybody."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pytest

from shared_code.config import Policy, Site, Study
from shared_code.disclosure import Earlier, protect
from shared_code.releases.cells import to_csv
from shared_code.releases.release import describe
from shared_code.reporting.review import Draft, review_page
from shared_code.reporting.review.figures import COLOURS
from shared_code.reporting.review.page import HERE

EVIL = "A&E </script><script>alert(1)</script>"
COUNTS = {"title": "People <b>ill</b>", "layout": "counts", "dimensions": {
    "sex": {"label": "Sex", "values": {"F": "Female", "M": "Male"}}, "ward": {"label": "Ward", "local": True}}}  # fmt: skip
ESTIMATES = {"title": "Life expectancy", "layout": "estimates", "dimensions": {"ward": {"local": True}}}
STUDY = Study.model_validate({
    "study": "tiny", "title": "Tiny", "summary": "s", "coordinator": "the coordinating team", "index_date": "2024-01-01",
    "period": {"start": "2020-01-01", "end": "2024-01-01"}, "disclosure": {"threshold": 10, "rounding": 5},
    "analyses": {"illness": {"title": "Illness", "question": "Who is ill?", "pooled": [], "needs": ["person"],
                             "results": {"ill": COUNTS, "wards": ESTIMATES}},
                 "deaths": {"title": "Deaths", "question": "Who dies?", "pooled": [], "needs": ["death"],
                            "results": {"ill": COUNTS}}},
})  # fmt: skip
SITE = Site.model_validate({"site": "north", "title": "The north & east", "controller": "x", "studies": ["tiny"],
                            "extract_date": "2024-02-01"})  # fmt: skip
TABLE = pd.DataFrame({"sex": ["F", "F", "M", "M"], "ward": [EVIL, "Two", EVIL, "Two"], "people": [1200, 50, 900, 41],
                      "cases": [312, 4, 0, 13]})  # fmt: skip
WARDS = pd.DataFrame({"ward": ["One", "Two"], "estimate": [80.12, 79.0], "se": [0.5, 0.6], "people": [90, 4],
                      "person_days": [1e6, 1e6]})  # fmt: skip


def tables(table: pd.DataFrame = TABLE) -> dict[str, pd.DataFrame]:
    declared = STUDY.analyses["illness"].results
    both = {"illness.ill": (declared["ill"], table), "illness.wards": (declared["wards"], WARDS)}
    return dict(protect(both, [], Policy()).tables)


def draft(earlier=(), reasons=None, **more) -> Draft:
    manifest = describe(SITE, STUDY, Policy(), tables()) | more
    files = {f"tables/{name}.csv": to_csv(cells) for name, cells in tables().items()}
    return Draft(b"the package", "d" * 64, manifest, files, reasons or {}, earlier)


class Page(HTMLParser):
    """Every element with its attributes and text, in order."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text() -> str:
    before = TABLE.assign(cases=[312, 4, 0, 25])
    why = pd.DataFrame({"sex": ["F"], "ward": ["Two"], "statistic": ["cases"], "reason": ["fewer cases than 10"]})
    return review_page(SITE, STUDY, draft([Earlier("e" * 64, "", tables(before))], {"illness.ill": why}))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def cells_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="cells">(.*?)</script>', text, re.DOTALL)[1])


def test_every_number_is_shown_as_it_would_leave_and_why_not(text):
    table = cells_of(text)["illness.ill"]
    assert table["headers"] == ["Sex", "Ward", "People", "Cases", "Why withheld", "Since last release"]
    assert table["rows"] == [
        ["Female", EVIL, "1,200", "310", "", ""],
        ["Female", "Two", "50", "withheld (1 to 19)", "fewer cases than 10", ""],
        ["Male", EVIL, "900", "0", "", ""],
        ["Male", "Two", "40", "15", "", "cases 25 → 15"],
    ]
    assert cells_of(text)["illness.wards"]["rows"][0][:3] == ["One", "80.12", "0.50"]


def test_no_true_number_is_on_it(text):
    assert not re.search(r"\b(312|41|13)\b", re.sub(r"(?s)base64,[^\"]*|<svg.*?</svg>|<style>.*?</style>", "", text))


def test_it_needs_no_network_and_what_is_downloaded_is_what_would_leave(page):
    addresses = [a[key] for _, a in page.elements for key in ("href", "src", "action", "data", "srcset") if a.get(key)]
    assert addresses and all(a.startswith(("#", "data:")) for a in addresses)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    files = {a["download"]: base64.b64decode(a["href"].partition("base64,")[2]) for a in page.all("a") if "download" in a}
    assert files["north.zip"] == b"the package"
    assert files["illness.ill.csv"] == to_csv(tables()["illness.ill"])


def test_words_of_a_site_cannot_become_code(text, page):
    assert "<script>alert" not in text
    assert len(page.all("script")) == 2
    assert "People &lt;b&gt;ill" in text


def test_headings_go_down_one_step_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_it_works_by_keyboard_and_says_what_everything_is(page):
    tags = [tag for tag, _ in page.elements]
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert page.all("html")[0]["lang"] == "en-GB"
    assert next(a for a in page.all("a"))["href"] == "#main"  # the first stop of the keyboard jumps over the menu
    assert all(a["href"][1:] in ids for a in page.all("a") if a["href"].startswith("#"))
    labelled = {a["for"] for a in page.all("label")}
    assert {a["id"] for tag in ("select", "input") for a in page.all(tag)} == labelled
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    assert tags.count("caption") == tags.count("table") > 4
    assert all(a.get("role") == "img" and a.get("aria-label") for a in page.all("svg"))
    assert not [a for _, a in page.elements if int(a.get("tabindex") or 0) > 0 or "onclick" in a]
    assert next(a for a in page.all("p") if a.get("id") == "count")["aria-live"] == "polite"
    script = (HERE / "review.js").read_text("utf-8")
    assert 'th.scope = "col"' in script and "aria-sort" in script and "fetch" not in script.replace("is fetched", "")


def luminance(colour: str) -> float:
    full = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
    parts = [int(full[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(w * (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4) for w, p in zip((0.2126, 0.7152, 0.0722), parts))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_letters_and_bars_stand_out():
    """WCAG 2.2: 4.5 to 1 for letters, 3 to 1 for what is drawn."""
    css = (HERE / "review.css").read_text("utf-8")
    named = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css))
    for ink in (named["ink"], named["soft"], named["rust"], re.search(r"\na \{ color: (#\w+)", css)[1]):
        assert min(contrast(ink, "#ffffff"), contrast(ink, named["back"])) >= 4.5
    assert contrast(named["blue"], "#ffffff") >= 4.5
    assert min(contrast(colour, "#ffffff") for colour in COLOURS.values()) >= 3


def test_the_first_lines_say_what_matters(page):
    words = " ".join(" ".join(page.texts).split())
    assert "The smallest number of people that would leave is 15; the rule allows none from 1 to 9" in words
    assert "1 number differs from the last release" in words
    assert "1 analysis of the study is not in it" in words
    assert "Why not: the site has no table death." in words
    assert "Who is ill?" in words


def test_a_first_release_says_so_and_the_audit_is_told():
    audit = {"solver": "HiGHS", "worst_interval_width": 11, "linear_programs": 240}
    text = review_page(SITE, STUDY, replace(draft(), audit=audit))
    assert "There is no earlier release of this site." in text
    assert '<th scope="row">Worst interval width</th><td>11</td>' in text
    assert "the reason is not recorded in this draft" in text

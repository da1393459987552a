"""What is said of what a site holds: no small number, no date of one record, and no run after the agreement's end."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest

from shared_code.config import Site, Study
from shared_code.model import Refused
from shared_code.pooling.catalogue import catalogue
from shared_code.sources.holdings import holdings

ROOT = Path(__file__).parents[2]


def events(dates: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"event_id": [str(i) for i in range(len(dates))], "event_date": pd.to_datetime(dates).date})


def test_rare_rows_and_rare_months_are_not_told(tmp_path: Path):
    dates = ["1931-05-02"] * 9 + ["2019-03-07"] * 10 + ["2021-08-01"] * 12 + ["2026-04-19"] * 3
    events(dates).to_parquet(tmp_path / "condition_event.parquet")
    events(["2020-01-01"] * 9).rename(columns={"event_date": "death_date"}).to_parquet(tmp_path / "death.parquet")
    held = holdings(tmp_path)
    assert held["condition_event"] == {"rows": 35, "first_month": "2019-03", "last_month": "2021-08"}
    assert held["death"] == {"rows": None, "first_month": None, "last_month": None}


@pytest.mark.parametrize("rows, told", [(0, 0), (1, None), (9, None), (10, 10), (12, 10), (13, 15), (17, 15), (18, 20)])
def test_rows_are_rounded_half_up(tmp_path: Path, rows: int, told: int | None):
    events(["2020-01-01"] * rows).to_parquet(tmp_path / "condition_event.parquet")
    assert holdings(tmp_path)["condition_event"]["rows"] == told


def test_a_table_about_places_or_birth_has_no_period(tmp_path: Path):
    pd.DataFrame({"person_id": ["a"] * 20, "birth_month": pd.to_datetime(["1950-01-01"] * 20).date,
                  "ethnicity_date": pd.to_datetime([None] * 20)}).to_parquet(tmp_path / "person.parquet")  # fmt: skip
    assert holdings(tmp_path)["person"] == {"rows": 20, "first_month": None, "last_month": None}


MANIFEST = {
    "site_title": "Place", "controller": "Board", "extract_date": "2026-04-20", "limits": "No deaths.",
    "kind": "person-level run", "made_up_data": True,
    "governance": {"legal_basis": "Article 6(1)(e)", "dpia": "D-12", "agreement_expires": "2027-03-31"},
    "quality": {"drift": "good", "national": {"verdict": "poor"}},
    "holdings": {"person": {"rows": 20_000, "first_month": None, "last_month": None},
                 "death": {"rows": None, "first_month": "2021-04", "last_month": "2026-03"}},
}  # fmt: skip
BARE = {"site_title": "Elsewhere", "extract_date": "2026-04-21", "kind": "published tables", "made_up_data": False}
SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix dcat: <http://www.w3.org/ns/dcat#> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix c: <urn:cohortium:> .
[] a sh:NodeShape ; sh:targetClass dcat:Catalog ;          # what DCAT-AP asks of a catalogue
   sh:property [ sh:path dct:title ; sh:minCount 1 ; sh:minLength 1 ] ,
     [ sh:path dct:description ; sh:minCount 1 ; sh:minLength 1 ] ,
     [ sh:path dct:publisher ; sh:minCount 1 ; sh:maxCount 1 ; sh:class foaf:Agent ] ,
     [ sh:path dcat:dataset ; sh:minCount 2 ; sh:class dcat:Dataset ; sh:nodeKind sh:IRI ] .
[] a sh:NodeShape ; sh:targetClass dcat:Dataset ;          # and of a dataset
   sh:property [ sh:path dct:title ; sh:minCount 1 ; sh:minLength 1 ] ,
     [ sh:path dct:description ; sh:minCount 1 ; sh:minLength 1 ] ,
     [ sh:path dct:issued ; sh:datatype xsd:date ] , [ sh:path dct:accessRights ; sh:class dct:RightsStatement ] ,
     [ sh:path dct:temporal ; sh:class dct:PeriodOfTime ] , [ sh:path c:rows ; sh:minInclusive 10 ] .
[] a sh:NodeShape ; sh:targetClass dct:PeriodOfTime ;
   sh:property [ sh:path dcat:startDate ; sh:minCount 1 ; sh:datatype xsd:gYearMonth ] ,
     [ sh:path dcat:endDate ; sh:minCount 1 ; sh:datatype xsd:gYearMonth ] .
[] a sh:NodeShape ; sh:targetClass foaf:Agent ; sh:property [ sh:path foaf:name ; sh:minCount 1 ; sh:minLength 1 ] .
"""


def made(**manifests: dict) -> dict:
    study = Study.read(ROOT / "config" / "study.yaml")
    return json.loads(json.dumps(catalogue(study, manifests)))


def test_the_catalogue_is_linked_data_with_governance():
    """Read by rdflib, which knows nothing of our code; its graph is checked against the obligations of DCAT-AP."""
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed (it comes with the test environment)")
    pyshacl = pytest.importorskip("pyshacl", reason="pyshacl is not installed (it comes with the test environment)")
    graph = rdflib.Graph().parse(data=json.dumps(made(demo_place=MANIFEST, elsewhere=BARE)), format="json-ld")
    conforms, _, words = pyshacl.validate(graph, shacl_graph=SHAPES, shacl_graph_format="turtle")
    assert conforms, words
    dcat, dct, foaf = (rdflib.Namespace(n) for n in ("http://www.w3.org/ns/dcat#", "http://purl.org/dc/terms/",
                                                     "http://xmlns.com/foaf/0.1/"))  # fmt: skip
    site, ours = rdflib.URIRef("urn:cohortium:site:demo_place"), rdflib.Namespace("urn:cohortium:")
    assert str(graph.value(graph.value(site, dct.publisher), foaf.name)) == "Board"
    told = {name: str(graph.value(site, ours[name])) for name in ("legalBasis", "dpia", "agreementExpires", "quality")}
    assert told == {"legalBasis": "Article 6(1)(e)", "dpia": "D-12", "agreementExpires": "2027-03-31",
                    "quality": "national: poor; good: drift"}  # fmt: skip
    death = rdflib.URIRef("urn:cohortium:site:demo_place:death")
    assert (site, dct.hasPart, death) in graph and graph.value(death, ours.rows) is None
    assert str(graph.value(graph.value(death, dct.temporal), dcat.startDate)) == "2021-04"
    assert str(graph.value(rdflib.URIRef("urn:cohortium:site:elsewhere"), ours.quality)) == "not assessed"


def test_the_shapes_find_what_is_wrong():
    rdflib = pytest.importorskip("rdflib", reason="rdflib is not installed (it comes with the test environment)")
    pyshacl = pytest.importorskip("pyshacl", reason="pyshacl is not installed (it comes with the test environment)")
    small = {**MANIFEST, "holdings": {"death": {"rows": 5, "first_month": "2021-4", "last_month": "2026-03"}}}
    graph = rdflib.Graph().parse(data=json.dumps(made(demo_place=small, elsewhere=BARE)), format="json-ld")
    conforms, _, words = pyshacl.validate(graph, shacl_graph=SHAPES, shacl_graph_format="turtle")
    assert not conforms and "MinInclusiveConstraintComponent" in words


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """Render the page of the catalogue with the built-in renderer."""
    from shared_code.rendering import render_site

    folder = tmp_path_factory.mktemp("catalogue")
    for name in ("catalogue.qmd", "_open.qmd", "report.css"):
        shutil.copyfile(ROOT / "reports" / name, folder / name)
    project = ("project:\n  type: website\n  render: [catalogue.qmd]\n  resources: [data/]\nlang: en-GB\n"
               "website: {title: A study}\nformat: {html: {css: report.css}}\n")  # fmt: skip
    (folder / "_quarto.yml").write_text(project, "utf-8")
    (folder / "data").mkdir()
    (folder / "data" / "study.json").write_text("{}", "utf-8")
    (folder / "data" / "catalogue.jsonld").write_text(json.dumps(made(demo_place=MANIFEST, elsewhere=BARE)), "utf-8")
    render_site(folder, folder.with_name(f"{folder.name}-site"), log=lambda text: None)
    return folder.with_name(f"{folder.name}-site") / "catalogue.html"


def test_the_page_says_what_is_held_judged_and_allowed(page: Path):
    text = page.read_text("utf-8")
    for words in ("20,000", "fewer than 10", "2021-04", "national: poor; good: drift", "not assessed", "D-12", "2027-03-31",
                  "Article 6(1)(e)", "No deaths.", 'href="data/catalogue.jsonld"'):  # fmt: skip
        assert words in text, words


def test_the_search_needs_no_other_machine_and_has_a_label(page: Path):
    text = page.read_text("utf-8")
    script = re.search(r"<script>\s*// Shows the rows.*?</script>", text, re.DOTALL)[0]
    assert not re.search(r"https?:|fetch|import|XMLHttp", script) and not re.search(r"<script[^>]+src=", text)
    assert '<label for="catalogue-words">' in text and 'type="search"' in text and 'aria-live="polite"' in text


@pytest.mark.parametrize(("words", "shown", "hidden"), [
    ("ÉLSEWHERE", ["Elsewhere"], ["death", "Place"]), ("place 20,000", ["20,000"], ["death", "Elsewhere"]),
])  # fmt: skip
def test_the_search_shows_the_rows_that_hold_every_word(page: Path, words: str, shown: list[str], hidden: list[str]):
    """In a real browser without a network."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("there is no Chromium or Chrome here")
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
                           "--virtual-time-budget=2000", "--dump-dom", f"{page.as_uri()}#find={quote(words)}"],
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    if "</html>" not in done.stdout:
        pytest.skip("the browser does not start here")
    main = done.stdout.partition("<main")[2]
    rows = re.findall(r"<tr([^>]*)>(.*?)</tr>", main, re.DOTALL)
    state = {re.sub(r"<[^>]+>", " ", row): "hidden" in attributes for attributes, row in rows if "<td" in row}
    first = {name: [is_hidden for row, is_hidden in state.items() if name in row.split()] for name in (*shown, *hidden)}
    assert all(False in first[name] for name in shown), state
    assert all(all(first[name]) for name in hidden), state
    assert " rows</p>" in main


def test_a_run_after_the_agreements_end_is_refused():
    site = Site.read("demo_ashvale", ROOT / "config" / "sites")
    site.in_force(dt.date(2036, 3, 31))
    with pytest.raises(Refused, match="the agreement ended on 2036-03-31"):
        site.in_force(dt.date(2036, 4, 1))

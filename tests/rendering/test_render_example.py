"""The example project, page by page: what a reader of the site sees."""

from __future__ import annotations

import re

import pytest

from shared_code.rendering import render_page, render_site

QUIET = {"log": lambda text: None}


def test_title_block_and_page_title(index):
    assert index.one("h1", class_="title").text == "Emergency admissions: what we found"
    assert index.one("h1", class_="title").one("em").text == "what we found"
    assert index.one("p", class_="byline").text == "Team A, Team B · 1 November 2026"
    assert index.one("title").text == "Emergency admissions: what we found – Example report"
    assert index.one("html").attributes["lang"] == "en-GB"


def test_parameter_inline_code_and_shortcodes(index):
    text = index.one("main").text
    assert "There were 1,234,567 admissions in 2023, a rate of 12.3 per 1,000 people." in text
    assert "The name a_b*c keeps its signs." in text
    assert "This comes from Example study, and {{< meta study.name >}} is only shown." in text
    assert "has 2 areas" in text  # inline code of an included file
    assert "This sentence was included from an included file." in text


def test_figures_and_tables_are_numbered_in_order(index):
    captions = [caption.text for caption in index.all("figcaption")]
    assert [" ".join(text.replace("\xa0", " ").split()) for text in captions] == [
        "Figure 1: Admissions by year",
        "Figure 2: An image from a file",
        "Table 1: Admissions by area, 2021 to 2024",
        "Table 2: People by age",
        "Table 3: A table in a container",
    ]


def test_captions_stand_above_tables_and_below_figures(index):
    kinds = {
        figure.attributes["id"]: [part.tag for part in figure.inside if not isinstance(part, str)]
        for figure in index.all("figure")
    }
    assert kinds["fig-trend"][-1] == "figcaption"
    assert kinds["tbl-areas"][0] == kinds["tbl-hand"][0] == "figcaption"


def test_references_name_and_link(index):
    references = [
        (link.text.replace("\xa0", " "), link.attributes["href"]) for link in index.all("a", class_="quarto-xref")
    ]
    assert references == [
        ("Figure 1", "#fig-trend"),
        ("Table 1", "#tbl-areas"),
        ("Table 2", "#tbl-hand"),
        ("Section 2", "#sec-detail"),
        ("Chart 2", "#fig-image"),
        ("1", "#fig-trend"),
        ("Figure 1", "#fig-trend"),
        ("Table 1", "#tbl-areas"),
    ]


def test_section_numbers(results):
    numbers = [head.text for head in results.one("main").all("h2") + results.one("main").all("h3")]
    assert numbers == ["1 Counts", "2 Tables", "1.1 Deep"]
    assert "See Section\xa01.1 and Figure\xa01." in [paragraph.text for paragraph in results.all("p")]


def test_figures_have_alternative_text(index, results, site):
    for page, name, alt in [
        (index, "fig-trend", "Line rising from 10 in 2021 to 16 in 2024"),
        (index, "fig-image", "A blue square"),
        (results, "fig-styled", 'A "quoted" drawing'),
    ]:
        image = page.one("figure", id=name).one("img")
        assert image.attributes["alt"] == alt
        assert (site / image.attributes["src"]).is_file()


def test_numbers_stand_right_and_headings_have_a_scope(index):
    table = index.one("figure", id="tbl-areas").one("table")
    assert [cell.text for cell in table.all("td", class_="number")] == [
        "1204",
        "12.1 (11.0 to 13.3)",
        "98",
        "8.4 (6.8 to 10.2)",
        "withheld",
        "withheld",
    ]
    assert [head.text for head in table.all("th", class_="number")] == ["Admissions", "Rate (95% interval)"]
    assert {head.attributes["scope"] for head in table.all("th")} == {"col", "row"}
    assert index.all("style") == []


def test_cell_options(results):
    text = results.one("main").text
    assert results.one("details", class_="code-fold").one("summary").text == "Code"
    assert "printed in 2023 007" in text
    assert "#| eval: false not_run()" in text and "echo: fenced" not in text
    assert "Written as is in Markdown." in text
    assert "UserWarning: this is shown" in text and "UserWarning: this is not shown" not in text
    assert "ZeroDivisionError: division by zero" in text
    assert [block.text for block in results.all("pre", class_="output")].count("hidden output") == 0
    assert "tags: [parameters]" not in text


def test_tabset_is_a_group_of_radio_buttons(results):
    tabs = results.one("div", class_="tabset")
    buttons = tabs.all("input", type="radio")
    assert len(buttons) == 2 and len({button.attributes["name"] for button in buttons}) == 1
    assert ["checked" in button.attributes for button in buttons] == [True, False]
    assert [label.text for label in tabs.all("label")] == ["By age", "By sex"]
    assert [label.attributes["for"] for label in tabs.all("label")] == [button.attributes["id"] for button in buttons]
    assert len(tabs.all("section", class_="tab-panel")) == 2
    assert "By age" not in results.one("nav", class_="toc").text


def test_callouts_have_words_and_may_be_folded(index, results):
    important = index.one("div", class_="callout-important")
    assert "Important: Read this first" in " ".join(important.text.split())
    assert "Note: A note with a heading" in " ".join(results.one("div", class_="callout-note").text.split())
    assert results.one("details", class_="callout-warning").attributes.get("open", "closed") == "closed"
    assert "open" in results.one("details", class_="callout-caution").attributes
    assert results.one("div", class_="callout-tip").one("span", class_="callout-label").text == "Tip"


def test_conditional_content(results):
    text = results.one("main").text
    assert "Only in HTML." in text and "Text with a visible span." in text
    assert "Never" not in text and "Hidden from" not in text and "invisible" not in text


def test_styled_table_has_a_steady_name_and_formula_is_mathml(results):
    assert results.one("table", id="T_00001")
    assert results.one("math")


def test_navigation_on_every_page_marks_the_current_one(site, parse):
    for name, depth in [("index", ""), ("results", ""), ("methods", ""), ("area/north", "../")]:
        page = parse(site / f"{name}.html")
        side = page.one("nav", class_="site-side")
        assert [link.attributes["href"] for link in side.all("a")] == [
            depth + target for target in ("index.html", "results.html", "area/north.html", "methods.html")
        ] or depth
        current = side.one("a", aria_current="page")
        assert (site / name).with_suffix(".html") == (site / name).parent / current.attributes["href"].split("/")[-1]
        assert page.one("a", class_="skip").attributes["href"] == "#main" and page.one("main", id="main")
        for link in page.all("link", rel="stylesheet"):
            assert ((site / name).parent / link.attributes["href"]).resolve().is_file()


def test_table_of_contents_only_where_asked(index, site, parse):
    entries = [(link.text, link.attributes["href"]) for link in index.one("nav", class_="toc").all("a")]
    assert entries == [("Trend", "#sec-trend"), ("Detail", "#sec-detail"), ("Areas", "#areas")]
    assert parse(site / "methods.html").all("nav", class_="toc") == []


def test_links_lead_somewhere(site, parse):
    for file in site.rglob("*.html"):
        page = parse(file)
        for link in page.all("a"):
            target, _, anchor = link.attributes["href"].partition("#")
            if target.startswith("https:"):
                continue
            other = (file.parent / target).resolve() if target else file
            assert other.is_file(), f"{file.name}: {target}"
            assert not anchor or parse(other).all(id=anchor), f"{file.name}: {link.attributes['href']}"


def test_nothing_is_loaded_from_elsewhere(site):
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|<link[^>]*href|@import|url\()\s*=?\s*["'(]?\s*(?:https?:)?//""", text), (
            file.name
        )


def test_pages_run_in_their_own_folder_and_resources_are_copied(site, parse, example):
    assert "The cells ran in the folder area." in parse(site / "area" / "north.html").one("main").text
    assert (site / "downloads" / "areas.csv").read_bytes() == (example / "downloads" / "areas.csv").read_bytes()
    assert not list(site.rglob("*.qmd"))


def test_renderer_is_named(index):
    assert index.one("meta", name="generator").attributes["content"] == "the built-in renderer"
    assert index.one("p", class_="rendered-by").text == "Rendered by the built-in renderer"


def test_two_renders_are_byte_identical(site, tmp_path, example):
    render_site(example, tmp_path / "again", {"year": 2023}, **QUIET)
    first = {file.relative_to(site): file.read_bytes() for file in site.rglob("*") if file.is_file()}
    second = {
        file.relative_to(tmp_path / "again"): file.read_bytes()
        for file in (tmp_path / "again").rglob("*")
        if file.is_file()
    }
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_one_page_alone_holds_its_style_and_figures(tmp_path, parse, example):
    warnings = []
    file = render_page(example / "index.qmd", tmp_path / "summary.html", {"year": 2020}, log=warnings.append)
    page = parse(file)
    assert page.one("figure", id="fig-trend").one("img").attributes["src"].startswith("data:image/png;base64,")
    assert page.one("style") and page.all("link") == []
    assert "admissions in 2020" in page.one("main").text
    assert any("results.qmd" in warning for warning in warnings)
    assert (tmp_path / "downloads" / "areas.csv").is_file()


def test_some_pages_only(tmp_path, parse, example):
    render_site(example, tmp_path / "out", pages=["methods.qmd"], **QUIET)
    assert [file.name for file in (tmp_path / "out").glob("*.html")] == ["methods.html"]
    page = parse(tmp_path / "out" / "methods.html")
    assert [link.text for link in page.one("nav", class_="site-side").all("a")] == ["Methods"]


@pytest.mark.parametrize("name", ["index", "results", "methods", "area/north"])
def test_ids_are_unique(site, name, parse):
    ids = [element.attributes["id"] for element in parse(site / f"{name}.html").all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))

"""What stops a render, what it says, and that the old site stays."""

from __future__ import annotations

import asyncio

import pytest

from shared_code.rendering import RenderingError, render_page, render_site

HEAD = "---\ntitle: A\n---\n\n"


def problems_of(folder, **keywords) -> str:
    with pytest.raises(RenderingError) as caught:
        render_site(folder, folder.parent / "out", log=lambda text: None, **keywords)
    assert not (folder.parent / "out").exists()
    return str(caught.value)


# What is written | what the message says
FAULTS = [
    ("See @fig-none.", "@fig-none: no such label on this page"),
    ("As @smith2020 says.", "@smith2020: citations are not supported"),
    ("See @eq-one.", "@eq-one: references of this kind are not supported"),
    ("{{< video clip.mp4 >}}", "shortcode 'video' is not supported"),
    ("{{< meta nothing >}}", "{{< meta nothing >}}: there is no such text"),
    ("{{< include _gone.qmd >}}", "include '_gone.qmd': there is no such file"),
    ("Text {{< include _gone.qmd >}}", "must stand alone on its line"),
    ("```{r}\n1\n```", "cells in 'r' are not supported"),
    ("```{mermaid}\na\n```", "cells in 'mermaid' are not supported"),
    ("(cell)\n#| echo: perhaps\n1\n(end)", "#| echo is 'perhaps'. Allowed are true, false, fenced"),
    ("(cell)\n#| fig-subcap: [a, b]\n1\n(end)", "#| fig-subcap is not supported"),
    ("(cell)\n#| echo: [\n1\n(end)", "the #| options are not valid YAML"),
    ("::: {layout-ncol=2}\nA\n:::", "{layout-ncol=…} is not supported"),
    ("::: {.callout-danger}\nA\n:::", "{.callout-danger} is not supported"),
    ("::: {.panel-tabset}\nA\n:::", "{.panel-tabset} has no headings"),
    ('::: {.content-visible when-profile="x"}\nA\n:::', "when-profile is not supported"),
    ("$$x$$ {#eq-a}", "'{#eq-a}' belongs to nothing"),
    ("[x](gone.qmd)", "the link to 'gone.qmd' leads to no page of this site"),
    ("[x](gone.csv)", "<a> points at 'gone.csv', and there is no such file"),
    ("[x](../secret.csv)", "leads out of the reports folder"),
    ("![x](https://example.org/x.png)", "would load https://example.org/x.png from elsewhere"),
    ('<script src="//example.org/x.js"></script>', "would load //example.org/x.js from elsewhere"),
    ("<style>@import url('https://example.org/x.css');</style>", "would load https://example.org/x.css from elsewhere"),
    ("# A {#sec-a}\n\n# B {#sec-a}", "the label 'sec-a' is given twice"),
    ("```\nnever closed", "a code block never ends"),
    ("---\nkey: value\n---", "a second block of front matter"),
    ("(cell)\n#| label: fig-a\nx = 1\n(end)", "cell 'fig-a' has a caption or label but shows nothing"),
    ("::: {.callout-note}\nnever closed", "a ::: container is opened and never closed"),
    ("(cell)\n#| label: fig-a\n#| fig-cap: '`{python} 1`'\n_show(a)\n(end)", "a caption holds inline code"),
    ("(cell)\n#| label: fig-a\n_show(a)\n_show(a)\n(end)", "cell 'fig-a' shows 2 things"),
    ("(cell)\nimport os\nos._exit(3)\n(end)", "the Python process that ran the cells ended"),
    ("`{python} missing`", "inline code 'missing' failed: NameError"),
]


@pytest.mark.parametrize("text, message", FAULTS, ids=[message[:40] for _, message in FAULTS])
def test_fault_is_named_with_its_page(project, text, message):
    text = text.replace("_show(a)", "from IPython.display import display, HTML; display(HTML('<p>a</p>'))")
    found = problems_of(project(index=HEAD + text))
    assert message in found
    assert "index.qmd" in found


@pytest.mark.parametrize("key", ["bibliography: a.bib", "filters: [x]", "listing: default", "engine: knitr"])
def test_unsupported_front_matter(project, key):
    assert f"index.qmd: {'engine is' if 'engine' in key else repr(key.split(':')[0])}" in problems_of(
        project(index=f"---\ntitle: A\n{key}\n---\n")
    )


def test_failing_cell_is_named_with_page_line_and_statement(project):
    text = HEAD + "(cell)\n#| label: sums\nx = 1\nx / 0\n(end)\n"
    found = problems_of(project(index=text))
    assert "index.qmd, line 8, cell 'sums': ZeroDivisionError: division by zero in 'x / 0'" in found


def test_faults_of_all_pages_are_shown_together(project):
    found = problems_of(project(index=HEAD + "@fig-a\n\n{{< video x >}}", other=HEAD + "(cell)\n1 / 0\n(end)"))
    assert found.startswith("2 problems stop the rendering:")  # a page that cannot be read is not run as well
    assert "index.qmd, line 7: shortcode 'video'" in found and "other.qmd, line 6, cell: ZeroDivisionError" in found


def test_circle_of_includes(project):
    folder = project(
        index=HEAD + "{{< include _a.qmd >}}", _a="{{< include _b.qmd >}}", _b="text\n\n{{< include _a.qmd >}}"
    )
    found = problems_of(folder)
    assert "_b.qmd, line 3: files include each other in a circle (index.qmd → _a.qmd → _b.qmd → _a.qmd)" in found


def test_an_include_is_not_followed_inside_code(project, parse):
    folder = project(index=HEAD + "````\n{{{< include _gone.qmd >}}}\n````")
    render_site(folder, folder.parent / "out", log=lambda text: None)
    assert "{{< include _gone.qmd >}}" in parse(folder.parent / "out" / "index.html").one("pre").text


def test_misspelt_parameter(project):
    folder = project(index=HEAD + "(cell)\n#| tags: [parameters]\nyear = 1\n(end)")
    assert "parameter 'yaer' is declared by no page" in problems_of(folder, parameters={"yaer": 2})


def test_unknown_option_and_missing_alternative_text_are_warnings(project):
    warnings: list[str] = []
    folder = project(index=HEAD + "(cell)\n#| ehco: false\nfrom IPython.display import SVG\nSVG('<svg/>')\n(end)")
    render_site(folder, folder.parent / "out", log=warnings.append)
    assert any("index.qmd, line 5: #| ehco is not known" in warning for warning in warnings)
    assert any("has no alternative text" in warning for warning in warnings)


def test_failed_render_leaves_the_old_site(project):
    folder, output = project(index=HEAD + "First."), None
    output = folder.parent / "out"
    render_site(folder, output, log=lambda text: None)
    before = {file: file.read_bytes() for file in output.rglob("*") if file.is_file()}
    (folder / "index.qmd").write_text(HEAD + "@fig-none")
    with pytest.raises(RenderingError):
        render_site(folder, output, log=lambda text: None)
    assert {file: file.read_bytes() for file in output.rglob("*") if file.is_file()} == before
    assert [path.name for path in folder.parent.iterdir()] == [
        path.name for path in folder.parent.iterdir() if path.name[0] != "."
    ]


def test_render_replaces_what_was_there(project):
    folder = project(index=HEAD + "One.", other=HEAD + "Two.")
    output = folder.parent / "out"
    render_site(folder, output, log=lambda text: None)
    (folder / "other.qmd").unlink()
    render_site(folder, output, log=lambda text: None)
    assert sorted(path.name for path in output.iterdir()) == ["index.html", "site_libs"]


def test_output_that_is_not_a_site_is_left_alone(project):
    folder = project(index=HEAD)
    other = folder.parent / "data"
    other.mkdir()
    (other / "table.csv").write_text("a\n")
    for output, words in [
        (other, "it holds something that is not a site"),
        (folder, "replace its own sources"),
        (folder.parent, "replace its own sources"),
    ]:
        with pytest.raises(RenderingError, match=words):
            render_site(folder, output, log=lambda text: None)
    assert (other / "table.csv").exists()


@pytest.mark.parametrize(
    "settings, message",
    [
        ("project:\n  type: book\n", "project: type is 'book'"),
        ("project:\n  type: website\n  pre-render: x.py\n", "pre-render is not supported"),
        ("website:\n  sidebar:\n    contents: auto\n", "sidebar holds 'auto'"),
        ("website:\n  navbar:\n    left: [gone.qmd]\n", "navbar names the page 'gone.qmd'"),
        ("website:\n  announcement: hello\n", "website: announcement is not supported"),
        ("a: [\n", "not valid YAML"),
    ],
)
def test_faults_of_the_project_file(project, settings, message):
    folder = project(index=HEAD)
    (folder / "_quarto.yml").write_text(settings)
    assert message in problems_of(folder)


def test_a_page_can_be_rendered_from_a_running_loop(project, parse):
    folder = project(index=HEAD + "`{python} 1 + 1`")

    async def inside():
        return render_page(folder / "index.qmd", folder.parent / "one.html", log=lambda text: None)

    assert "2" in parse(asyncio.run(inside())).one("main").text


def test_faults_of_a_style_sheet_and_of_settings(project):
    folder = project(index="---\ntitle: 'A `{python} 1`'\nexecute: false\ncss: a.css\n---\n")
    (folder / "a.css").write_text("@import url(https://example.org/a.css);")
    assert "execute is False" in problems_of(folder)
    (folder / "index.qmd").write_text("---\ntitle: 'A `{python} 1`'\ncss: a.css\n---\n")
    assert "'title' holds inline code" in problems_of(folder)
    (folder / "index.qmd").write_text("---\ntitle: A\ncss: a.css\n---\n")
    assert "css: 'a.css' loads something from elsewhere" in problems_of(folder)


def test_code_inside_lists_and_other_awkward_text(project, parse):
    text = """- One

  (cell)
  #| echo: false
  print("in a list")
  (end)

- Two `{python} 1 + 1`
  ```text
  `{python} not_run`
  ```

> Quote with @sec-a

# A {#sec-a}

(cell)
#| echo: false
#| output: asis
print("::: {.callout-tip}")
print("## Made by code")
print("Body")
print(":::")
(end)

[a file](<downloads/a b.csv>) and ![](downloads/p.svg){fig-alt="A picture"}
""".replace("  (cell)", "  ```{python}").replace("  (end)", "  ```")
    folder = project(index=HEAD + text)
    (folder / "downloads").mkdir()
    (folder / "downloads" / "a b.csv").write_text("a\n")
    (folder / "downloads" / "p.svg").write_text("<svg/>")
    render_site(folder, folder.parent / "out", log=lambda text: None)
    main = parse(folder.parent / "out" / "index.html").one("main")
    items = main.one("ul").all("li")
    assert items[0].one("pre", class_="output").text.strip() == "in a list"
    assert "Two 2" in items[1].text and "{python} not_run" in items[1].one("pre").text
    assert main.one("blockquote").one("a").text == "Section\xa01"
    assert "Tip: Made by code" in " ".join(main.one("div", class_="callout-tip").text.split())
    assert main.one("img").attributes["alt"] == "A picture"
    assert [link.attributes["href"] for link in main.all("a")][-1] == "downloads/a%20b.csv"
    assert (folder.parent / "out" / "downloads" / "a b.csv").exists()


def test_a_page_below_the_project_can_be_rendered_alone(example, parse, tmp_path):
    page = parse(render_page(example / "area" / "north.qmd", tmp_path / "north.html", log=lambda text: None))
    assert page.one("img").attributes["src"].startswith("data:image/svg+xml;base64,")
    assert page.one("title").text == "North – Example report"

"""Small parts by themselves: values, tables, links, options, and the choice of renderer."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import sys

import pytest

import shared_code.rendering
from shared_code.rendering import RenderingError, quarto_available, render
from shared_code.rendering.__main__ import main, parameter
from shared_code.rendering.markup import join, read
from shared_code.rendering.options import cell_options
from shared_code.rendering.outputs import inline_text
from shared_code.rendering.problems import Problems
from shared_code.rendering.project import html_options, merged
from shared_code.rendering.tables import improve_tables, is_number

MODULES = [name for _, name, _ in pkgutil.iter_modules(shared_code.rendering.__path__) if name != "__main__"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_documentation_run(name):
    module = importlib.import_module(f"shared_code.rendering.{name}")
    assert doctest.testmod(module).failed == 0


# Python value as shown | Markdown written
@pytest.mark.parametrize(
    "data, written",
    [
        ({"text/plain": "12.5"}, "12.5"),
        ({"text/plain": "'1,234'"}, "1,234"),
        ({"text/plain": "'a*b'"}, r"a\*b"),
        ({"text/plain": '"it\'s"'}, "it's"),
        ({"text/plain": r"'1\xa0000'"}, "1\xa0000"),
        ({"text/plain": "x", "text/markdown": "**b**"}, "**b**"),
        ({"text/plain": "x", "text/html": "<b>b</b>"}, "`<b>b</b>`{=html}"),
    ],
)
def test_inline_values(data, written):
    assert inline_text({"data": data}) == written


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1", True),
        ("1,234.5", True),
        ("-3", True),
        ("−3.1", True),
        ("£1,200", True),
        ("12 %", True),
        ("<10", True),
        ("1.02 (0.98 to 1.07)", True),
        ("1.02 [0.98, 1.07]", True),
        ("0–4", False),
        ("2024/25", False),
        ("E06000001", False),
        ("", False),
        ("Q1", False),
        ("12 people", False),
    ],
)
def test_what_counts_as_a_number(text, expected):
    assert is_number(text) is expected


def test_columns_of_numbers_with_merged_cells():
    html = (
        "<table><thead><tr><th rowspan='2'>Area</th><th colspan='2'>Rate</th></tr>"
        "<tr><th>2023</th><th>2024</th></tr></thead>"
        "<tbody><tr><td rowspan='2'>A</td><td>1</td><td>x</td></tr><tr><td>2</td><td>y</td></tr></tbody></table>"
    )
    result = join(improve_tables(read(html)))
    assert '<td class="number">1</td><td>x</td>' in result and '<td class="number">2</td><td>y</td>' in result
    assert '<th colspan="2" scope="colgroup">Rate</th>' in result
    assert '<th class="number" scope="col">2023</th><th scope="col">2024</th>' in result


def test_a_first_column_of_numbers_names_the_rows():
    result = join(improve_tables(read("<table><tr><td>2023</td><td>5</td></tr></table>")))
    assert '<td>2023</td><td class="number">5</td>' in result


def test_markup_is_kept_as_it_was():
    html = '<p CLASS=a>x &lt; y<br/><svg viewBox="0 0 1 1"><g/></svg></p><script>if (a < b) { "</p>" }</script>'
    assert join(read(html)) == html


def test_settings_of_page_win_over_those_of_project():
    project = html_options(
        {"format": {"html": {"toc": True, "css": "a.css"}}, "execute": {"echo": False, "warning": False}}
    )
    page = html_options({"toc": False, "execute": {"echo": True}})
    assert merged(project, page) == {"toc": False, "css": "a.css", "execute": {"echo": True, "warning": False}}


# option in the cell | default of the page | result
@pytest.mark.parametrize(
    "given, execute, name, value",
    [
        ({}, {}, "echo", True),
        ({}, {"echo": False}, "echo", False),
        ({"echo": True}, {"echo": False}, "echo", True),
        ({"output": "asis"}, {}, "output", "asis"),
        ({}, {"enabled": False}, "eval", False),
        ({"output": True}, {"output": False}, "warning", False),
        ({"label": "tbl-a"}, {}, "kind", "tbl"),
        ({"fig-cap": "A"}, {}, "kind", "fig"),
        ({"fig-cap": ["A"]}, {}, "figure_caption", "A"),
        ({"code-fold": "show"}, {}, "fold", "open"),
    ],
)
def test_cell_options(given, execute, name, value):
    assert getattr(cell_options(given, execute, Problems("a.qmd"), 1, "a.qmd"), name) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ("a:1", 1),
        ("a:007", "007"),
        ("a:0.50", "0.50"),
        ("a:true", True),
        ("a:x:y", "x:y"),
        ("a:", ""),
        ("a:[1, 2]", [1, 2]),
    ],
)
def test_parameters_of_the_command_line(text, value):
    assert parameter(text) == ("a", value)


def test_command_line_shows_problems_without_traceback(project, capsys):
    folder = project(index="---\ntitle: A\n---\n\n@fig-none")
    assert main([str(folder), str(folder.parent / "out"), "--renderer", "built-in"]) == 1
    assert "1 problem stops the rendering:\n  index.qmd: @fig-none" in capsys.readouterr().err


FAKE_QUARTO = """#!{python}
import pathlib, sys
if sys.argv[1] == "--version":
    print("9.9.9")
    sys.exit()
project = pathlib.Path(sys.argv[2])
if (project / "fail").exists():
    print("ERROR: something is wrong", file=sys.stderr)
    sys.exit(1)
out = project / sys.argv[sys.argv.index("--output-dir") + 1]
out.mkdir(parents=True)
given = ""
if "--execute-params" in sys.argv:
    given = pathlib.Path(sys.argv[sys.argv.index("--execute-params") + 1]).read_text()
(out / "index.html").write_text("<html><body>" + given + "</body></html>")
"""


@pytest.fixture
def fake_quarto(tmp_path, monkeypatch):
    """A program called quarto that writes down what it was given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "quarto"
    program.write_text(FAKE_QUARTO.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in program is a script")
def test_quarto_is_used_where_it_is_installed(project, fake_quarto):
    folder = project(index="---\ntitle: A\n---\n\n(cell)\n#| tags: [parameters]\ncode = '1'\n(end)\n")
    output = folder.parent / "out"
    assert quarto_available()
    assert render(folder, output, {"code": "007"}, log=lambda text: None) == "Quarto 9.9.9"
    text = (output / "index.html").read_text()
    assert "code: '007'" in text and "Rendered by Quarto 9.9.9" in text
    (folder / "fail").touch()
    with pytest.raises(RenderingError, match="ERROR: something is wrong"):
        render(folder, output, log=lambda text: None)
    assert (output / "index.html").read_text() == text
    with pytest.raises(RenderingError, match="parameter 'cdoe' is declared by no page"):
        render(folder, output, {"cdoe": 1}, log=lambda text: None)


def test_built_in_renderer_is_used_without_quarto(project, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)
    folder = project(index="---\ntitle: A\n---\n")
    assert not quarto_available()
    assert render(folder, folder.parent / "out", log=lambda text: None) == "the built-in renderer"
    with pytest.raises(RenderingError, match="not on the PATH"):
        render(folder, folder.parent / "out", renderer="quarto")

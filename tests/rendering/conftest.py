"""Render the example project once, and read pages as trees."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shared_code.rendering import render_site

EXAMPLE = Path(__file__).parent / "example"
VOID = {"meta", "link", "img", "input", "br", "hr", "col"}


@dataclass
class Element:
    """An HTML element with its attributes and what is inside it."""

    tag: str
    attributes: dict = field(default_factory=dict)
    inside: list = field(default_factory=list)

    @property
    def text(self) -> str:
        """All words inside, with single spaces."""
        parts = [part if isinstance(part, str) else part.text for part in self.inside]
        return " ".join(" ".join(parts).split()) if self.tag not in ("p", "a", "span", "li") else "".join(parts)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Every element below that fits; class_="x" asks for one class among others."""
        found = []
        for part in self.inside:
            if isinstance(part, str):
                continue
            fits = not tag or part.tag == tag
            for key, value in attributes.items():
                given = part.attributes.get(key.rstrip("_").replace("_", "-"))
                fits = fits and given is not None and (value in given.split() if key == "class_" else given == value)
            found += [part] if fits else []
            found += part.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only element below that fits."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{tag} {attributes}: {len(found)} found"
        return found[0]


class _Tree(HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = Element("document")
        self.open = [self.root]
        self.wrong: list[str] = []

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.open[-1].inside.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        if self.open[-1].tag != tag:
            self.wrong.append(f"</{tag}> closes <{self.open[-1].tag}>")
        else:
            self.open.pop()

    def handle_data(self, data):
        self.open[-1].inside.append(data)


def read_tree(file: Path) -> Element:
    """Read an HTML file; its tags must be nested properly."""
    tree = _Tree()
    tree.feed(file.read_text(encoding="utf-8"))
    assert tree.wrong == [] and len(tree.open) == 1, tree.wrong
    return tree.root


@pytest.fixture(scope="session")
def parse():
    """The function that reads an HTML file as a tree."""
    return read_tree


@pytest.fixture(scope="session")
def example() -> Path:
    """The folder of the example project."""
    return EXAMPLE


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The example project, rendered once with one parameter changed."""
    output = tmp_path_factory.mktemp("site") / "out"
    render_site(EXAMPLE, output, {"year": 2023}, log=lambda text: None)
    return output


@pytest.fixture(scope="session")
def index(site) -> Element:
    """The first page of the example."""
    return read_tree(site / "index.html")


@pytest.fixture(scope="session")
def results(site) -> Element:
    """The page of the example with most constructs."""
    return read_tree(site / "results.html")


@pytest.fixture
def project(tmp_path):
    """A function that writes a project of given files and returns its folder."""

    def write(**files: str) -> Path:
        folder = tmp_path / "project"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        texts = {"_quarto.yml": "project:\n  type: website\n", **{f"{name}.qmd": text for name, text in files.items()}}
        for name, text in texts.items():
            (folder / name).write_text(text.replace("(cell)", "```{python}").replace("(end)", "```"), encoding="utf-8")
        return folder

    return write

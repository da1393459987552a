"""Who may import whom, read from the syntax trees; only the start of the command line is run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A module imports only from its own layer and those before it. execution and rendering know nothing of the rest.
LAYERS = [
    "model", "config", "sources", "linkage", "synthetic", "measures", "methods", "indices", "regression", "quality", "disclosure",
    "releases", "pooling", "figures", "reporting", "cli",
]  # fmt: skip
APART = {"execution", "rendering"}
ALLOWED_UP = {("measures", "methods")}
NOT_IN_SHARED_CODE = {"snakemake"}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer_of(module: str) -> str | None:
    match = re.match(r"shared_code\.([a-z_]+)", module)
    return match[1] if match and match[1] in {*LAYERS, *APART} else None


@pytest.mark.parametrize("path", modules("shared_code"), ids=lambda p: p.relative_to(ROOT / "shared_code").as_posix())
def test_a_module_imports_only_layers_above_it(path: Path):
    own = path.relative_to(ROOT / "shared_code").parts[0]
    if own == "__init__.py":
        assert not [m for m in imports(path) if m.startswith("shared_code")]
        return
    used = {layer for layer in map(layer_of, imports(path)) if layer and layer != own}
    if own in APART:
        assert not used, f"{own} stands apart and may not import {used}"
    else:
        above = set(LAYERS[: LAYERS.index(own)]) | (APART if own in ("cli", "reporting") else set())
        above |= {other for layer, other in ALLOWED_UP if layer == own}
        assert used <= above, f"{own} imports {sorted(used - above)}, which do not come before it"


def test_shared_code_knows_nothing_of_snakemake():
    offenders = [p for p in modules("shared_code") if {m.split(".")[0] for m in imports(p)} & NOT_IN_SHARED_CODE]
    assert not offenders


def test_run_py_uses_the_standard_library_only():
    import sys

    assert {m.split(".")[0] for m in imports(ROOT / "run.py")} <= set(sys.stdlib_module_names)


def test_every_layer_that_exists_is_in_the_list():
    folders = {p.name for p in (ROOT / "shared_code").iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert folders <= {*LAYERS, *APART}


def test_files_stay_short():
    long = {p.relative_to(ROOT).as_posix(): n for p in [*modules("shared_code"), ROOT / "run.py", ROOT / "Snakefile"]
            if (n := len(p.read_text("utf-8").splitlines())) > 320}  # fmt: skip
    assert not long, f"split these: {long}"


def site_names() -> list[str]:
    return [p.stem for p in (ROOT / "config" / "sites").glob("*.yaml") if not p.name.startswith("_")]


def test_no_code_names_a_site():
    """If a site needs code, the code gets a general name and a setting."""
    # notebooks may name one demonstration site: in the defaults of their parameters, so that they open and run
    texts = {p: p.read_text("utf-8") for p in [*modules("shared_code"), ROOT / "Snakefile", *(ROOT / "reports").glob("*.qmd")]}
    offenders = {
        (p.relative_to(ROOT).as_posix(), name)
        for p, text in texts.items() for name in site_names() if re.search(rf"\b{name}\b", text)
    }  # fmt: skip
    assert not offenders


NEVER = r"\b(suppress(ed|ion)?|masked|redacted|data dump|raw data|clean data|campaign)\b"


def interface_texts() -> dict[str, str]:
    """What a user reads: pages, notebooks' words, help, guides, settings, messages."""
    paths = [
        *(ROOT / "reports").glob("*.qmd"), *(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "config").rglob("*.yaml"),
        *(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "Snakefile", *modules("shared_code/cli"),
        *modules("shared_code/reporting"), *modules("shared_code/pooling"), *modules("shared_code/disclosure"),
    ]  # fmt: skip
    return {p.relative_to(ROOT).as_posix(): p.read_text("utf-8") for p in paths if p.is_file()}


@pytest.mark.parametrize("name", sorted(interface_texts()))
def test_the_interface_uses_the_words_of_the_house(name: str):
    """A value not released is withheld, whatever the reason; see the table of words in docs/decisions."""
    text = re.sub(r"contextlib\.suppress", "", interface_texts()[name])
    found = re.search(NEVER, text, re.IGNORECASE)
    assert not found, f"{name} says {found[0]!r}"


AMERICAN = r"\b(color(?!-)|analyz\w+|standardiz\w+|center(?!ed)|summariz\w+|neighbor\w*|unauthoriz\w+|recogniz\w+)\b"


@pytest.mark.parametrize("name", sorted(n for n in interface_texts() if n.endswith((".qmd", ".md", ".ipynb", ".yaml"))))
def test_the_interface_is_in_british_spelling(name: str):
    assert not re.search(AMERICAN, interface_texts()[name])


def test_the_command_line_starts_without_the_heavy_libraries():
    """Every verb pays for what is imported at the start, and the workflow starts dozens of them."""
    heavy = "pandas", "numpy", "scipy", "ibis", "duckdb", "pyarrow", "matplotlib", "cryptography"
    code = f"import sys, shared_code.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

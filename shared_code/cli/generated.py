"""Files made from declarations; a test says when one is out of date, and `cohortium generate` writes them again."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from shared_code.cli.functions_page import checks_page, functions_page
from shared_code.config import Study
from shared_code.config.digests import ROOT
from shared_code.model.dictionary import dictionary_page, site_template
from shared_code.model.schema import data_package
from shared_code.reporting.stage import as_yaml, quarto_project

# Names that differ between PyPI and conda-forge.
CONDA = {
    "duckdb": "python-duckdb", "matplotlib": "matplotlib-base", "ibis-framework": "ibis-duckdb", "snakemake": "snakemake-minimal",
    "pypandoc-binary": "pypandoc",
}  # fmt: skip
NOT_FROM_PYPI = ["quarto"]


def locked_versions(lock: Path = ROOT / "requirements.lock") -> dict[str, str]:
    """Read package -> version from a lock file."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9-]*)==([^ ;\\]+)", lock.read_text("utf-8"), re.MULTILINE))


def direct_dependencies() -> list[str]:
    """List the packages that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [re.split(r"[\[=<>!~; ]", line)[0] for line in project["dependencies"]]


def conda_environment() -> str:
    """Write environment.yml: the same versions of the same packages for conda, and Quarto."""
    versions = locked_versions()
    lines = [
        "# For conda users: the versions of requirements.lock, and Quarto. Made by `cohortium generate`.",
        "name: cohortium",
        "channels: [conda-forge, bioconda]",
        "dependencies:",
        "  - python=3.11",
        *[f"  - {name}" for name in NOT_FROM_PYPI],
    ]
    lines += [f"  - {CONDA.get(name, name)}={versions[name]}" for name in sorted(direct_dependencies())]
    lines += ["  - pip                        # then: pip install --no-deps -e ."]
    return "\n".join(lines) + "\n"


def menu(study: Path = ROOT / "config" / "study.yaml") -> str:
    """Write reports/_quarto.yml: the menu of the pages of a study."""
    project = quarto_project(Study.read(study))
    project["project"] = {**project["project"], "pre-render": "python -m shared_code.cli stage"}
    return "# Made from config/study.yaml by `cohortium generate`.\n" + as_yaml(project)


def files() -> dict[Path, str]:
    """Give every generated file and what it should hold."""
    return {
        ROOT / "docs" / "data-dictionary.md": dictionary_page(),
        ROOT / "docs" / "functions.md": functions_page(),
        ROOT / "docs" / "data-quality.md": checks_page(),
        ROOT / "docs" / "data-model.json": json.dumps(data_package(), indent=2, ensure_ascii=False) + "\n",
        ROOT / "config" / "sites" / "_template.yaml": site_template(),
        ROOT / "environment.yml": conda_environment(),
        ROOT / "reports" / "_quarto.yml": menu(),
    }


def write(check: bool = False) -> list[str]:
    """Write the files that are out of date (or only name them) and say which."""
    stale = []
    for path, content in files().items():
        if not path.is_file() or path.read_text("utf-8") != content:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, "utf-8", newline="\n")
    return stale

"""Run the demonstration, from the made-up extracts to the pooled tables, in one Python process.

    python benchmarks/one_process.py PEOPLE         in a copy of the project

This is the floor that the workflow is measured against: the same stage functions and the code of the same notebooks,
one after another, without Snakemake, without kernels, and with every import paid once.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STUDY_FILE = Path("config/study.yaml")


def main(people: int) -> None:
    """Extract, prepare, analyse, release and carry at every demonstration site, then pool."""
    from shared_code.cli import sending, stages
    from shared_code.config import Study, sites_of
    from shared_code.config.study import QUALITY

    study = Study.read(STUDY_FILE)
    for site in (site for site in sites_of(study.study) if site.made_up):
        stages.extract_demo(site.site, people, study)
        stages.prepare(site.site, lambda text: None)
        for stem, entry in sorted(study.analyses.items(), key=lambda one: one[0] != QUALITY):  # the others ask for it
            if site.can_run(entry):
                stages.analyse(site.site, stem, STUDY_FILE, study, run_cells)
        stages.release(site.site, study)
        sending.approve_demo(site.site, study)
        stages.carry_demo(site.site, study)
    stages.pool(study)


def run_cells(notebook: Path, executed: Path, parameters: dict[str, str], folder: Path) -> None:
    """Execute the code of a notebook here; what its last lines would show is not shown."""
    names: dict[str, Any] = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{notebook.stem}.{cell['id']}", "exec"), names)
            if cell["id"] == "parameters":
                names |= parameters


if __name__ == "__main__":
    main(int(sys.argv[1]))

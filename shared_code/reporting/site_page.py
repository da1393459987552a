"""The page a site reads before it sends anything: what would leave, table by table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from shared_code.config.plan import Plan
from shared_code.config.site import Site
from shared_code.config.study import Study
from shared_code.model import ALL
from shared_code.releases import package
from shared_code.releases.cells import from_csv
from shared_code.reporting.stage import as_yaml
from shared_code.reporting.words import number, pipe_table

SHOWN = {"ok": "", "rounded": "", "withheld": "withheld", "not_collected": "not collected", "not_applicable": "none"}


def site_record(site: Site, study: Study, path: Path, target: Path) -> None:
    """Lay out what the site's page needs: the manifest, and every table of the package as it would leave."""
    manifest, files, digest = package.read(path)
    (target / "data").mkdir()
    tables = []
    for name, content in files.items():
        stem, _, table = name.removeprefix("tables/").removesuffix(".csv").partition(".")
        (target / "data" / Path(name).name).write_bytes(content)
        declared = Plan(study, stem).results(table)
        tables.append({"name": f"{stem}.{table}", "analysis": study.analyses[stem].title, "title": declared.title,
                       "file": f"data/{Path(name).name}",
                       "order": {d: list(Plan(study, stem).levels(table, d) or {}) for d in declared.dimensions}})  # fmt: skip
    record = {"site": site.title, "study": study.title, "manifest": manifest, "digest": digest, "tables": tables}
    (target / "data" / "site.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")
    project = {
        "project": {"type": "website", "render": ["index.qmd"], "resources": ["data/"]}, "lang": "en-GB",
        "website": {"title": f"What would leave {site.title}",
                    "navbar": {"left": [{"href": "index.qmd", "text": "Site report"}]}},
        "format": {"html": {"toc": True, "theme": "cosmo", "css": "report.css"}},
        "execute": {"echo": False, "warning": False},
    }  # fmt: skip
    (target / "_quarto.yml").write_text(as_yaml(project), "utf-8")


class SitePage:
    """Give the site's page its tables."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.record: dict[str, Any] = json.loads((folder / "data" / "site.json").read_text("utf-8"))

    @property
    def manifest(self) -> dict[str, Any]:
        return self.record["manifest"]

    def overview(self) -> str:
        """Tabulate how many numbers of each table would leave, and how many are withheld."""
        counts = self.manifest["disclosure"]["tables"]
        table = [{
            "Analysis": t["analysis"], "Table": t["title"], "Numbers": number(counts[t["name"]]["cells"], 0),
            "Withheld": number(counts[t["name"]].get("withheld", 0), 0),
            "File": f"[{Path(t['file']).name}]({t['file']})",
        } for t in self.record["tables"]]  # fmt: skip
        return pipe_table(pd.DataFrame(table), right=("Numbers", "Withheld"))

    def not_run(self) -> str:
        """Say which analyses are not in the package, and why."""
        reasons = self.manifest["not_run"] | self.manifest["not_collected"]
        return "\n".join(f"- {what}: {why}." for what, why in reasons.items()) or "Every analysis of the study is in it."

    def sample(self, most: int = 12) -> str:
        """Show the first rows of every table exactly as they would leave."""
        parts = []
        for t in self.record["tables"]:
            cells = from_csv((self.folder / t["file"]).read_bytes())
            order = {level: i for levels in t["order"].values() for i, level in enumerate(levels)}
            dimensions = [c for c in cells.columns if c not in ("statistic", "value", "status", "lower", "upper")]
            cells["shown"] = [SHOWN[s] or number(v, 0 if float(v).is_integer() else 2)
                              for s, v in zip(cells["status"], cells["value"])]  # fmt: skip
            wide = cells.pivot(index=dimensions, columns="statistic", values="shown").reset_index()
            ranked = wide[dimensions].apply(lambda c: c.map(lambda v: -1 if v == ALL else order.get(v, 10_000)))  # noqa: B023
            wide = wide.loc[ranked.sort_values(dimensions, kind="stable").index]
            withheld = wide.isin(["withheld"]).any(axis=1)
            first = wide[~withheld].head(most // 2).index.union(wide[withheld].head(most // 2).index, sort=False)
            wide = wide.loc[[i for i in wide.index if i in set(first)]]
            statistics = tuple(c for c in wide.columns if c not in dimensions)
            parts.append(f"### {t['title']}\n\n{pipe_table(wide, right=statistics)}\n")
        return "\n".join(parts)


def open_site_page(folder: str | Path = ".") -> SitePage:
    """Open what was staged beside the site's page."""
    return SitePage(Path(folder))

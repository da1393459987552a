"""What figures of a composite index need: its tidy table, its words, and colours of scores."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from shared_code.figures import style
from shared_code.figures.request import NothingToDraw, Request

# One colour, from pale to dark: an order that survives grey printing and any colour vision.
SCORES = LinearSegmentedColormap.from_list("scores", ["#f6f2e7", "#9cc3d5", style.BLUE, "#08304f"])
REAL = "Real wards, from open data"
MADE_UP = "Made-up wards and people"


class IndexNumbers(NamedTuple):
    """Hold the tidy table of an index and its words."""

    table: pd.DataFrame
    words: dict[str, Any]

    @property
    def kind(self) -> str:
        return MADE_UP if self.words["made_up"] else REAL

    def title(self, item: str) -> str:
        """Title the index, a dimension or a component."""
        if item == self.words["index"]:
            return str(self.words["title"])
        return str((self.words["dimensions"].get(item) or self.words["components"][item])["title"])

    def of(self, item: str) -> pd.DataFrame:
        """Give the rows of one item, a place in a row."""
        return self.table[self.table["item"] == item].reset_index(drop=True)

    def places(self) -> str:
        return f"{self.words['places']} wards ({self.words['edition'].replace('ward ', 'edition ')})"


def read_index(request: Request) -> IndexNumbers:
    """Read the index that a figure asks for; without it there is nothing to draw, and the figure says why."""
    name = request.setting("index")
    folder = request.cells.parent / "indices"
    if not (folder / f"{name}.csv").is_file():
        why = "too few sites have released its indicators"
        if (folder / f"{name}.json").is_file():
            why = "; ".join(json.loads((folder / f"{name}.json").read_text("utf-8"))["refused"])
        raise NothingToDraw(f"The index {name} was not computed: {why}.")
    texts = dict.fromkeys(("place", "name", "district", "group", "edition", "level", "item"), str)
    table = pd.read_csv(folder / f"{name}.csv", dtype=texts, keep_default_na=False, na_values={c: [""] for c in NUMBERS})
    return IndexNumbers(table, json.loads((folder / f"{name}.json").read_text("utf-8")))


NUMBERS = ["value", "score", "lower", "upper", "rank", "rank_lower", "rank_upper", "rank_in_group", "group_rank_lower",
           "group_rank_upper", "lowest_fifth", "grouped", "peer_median", "against_peers"]  # fmt: skip


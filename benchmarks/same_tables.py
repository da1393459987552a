"""Tell whether results tables of two programs are the same; a benchmark whose results differ is void.

    python benchmarks/same_tables.py FOLDER OTHER [FOLDER OTHER ...]

Every table of a folder is compared with the one of the same name in the other; ends with code 1, and says where, when
they differ.

Dimensions and counts must be identical. Estimates and their standard errors, computed by other operations in another
order, may differ in the last digits (1 in 10^9).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

COMPUTED = ("estimate", "se")
CLOSE = 1e-9  # relative
STATISTICS = ("people", "cases", "events", "events_squared", "person_days", *COMPUTED)


def main(arguments: list[str]) -> int:
    """Compare pairs of folders; return 1 at the first difference."""
    folders = [Path(name) for name in arguments]
    for folder, other in zip(folders[::2], folders[1::2]):
        names = sorted(path.name for path in folder.glob("*.parquet"))
        if not names:
            print(f"{folder.name} holds no tables", file=sys.stderr)
            return 1
        for name in names:
            try:
                same(pd.read_parquet(folder / name), pd.read_parquet(other / name))
            except (AssertionError, FileNotFoundError) as difference:
                first = [line for line in str(difference).splitlines() if line and not line.startswith("[")]
                print(f"{name} differs: {'; '.join(first)}", file=sys.stderr)
                return 1
    return 0


def same(table: pd.DataFrame, other: pd.DataFrame) -> None:
    """Raise AssertionError unless both tables hold the same cells with the same numbers, in whatever order."""
    dimensions = [name for name in table.columns if name not in STATISTICS]
    both = [t[list(table.columns)].astype(dict.fromkeys(dimensions, "object")).sort_values(dimensions, ignore_index=True)
            for t in (table, other[list(table.columns)])]  # fmt: skip
    assert sorted(table.columns) == sorted(other.columns), "the columns are not the same"
    exact = [name for name in table.columns if name not in COMPUTED]
    pd.testing.assert_frame_equal(both[0][exact], both[1][exact], check_exact=True)
    close = [name for name in table.columns if name in COMPUTED]
    pd.testing.assert_frame_equal(both[0][close], both[1][close], rtol=CLOSE, atol=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Let ACRO suppress small two-way tables: JSON tables in, JSON of what it blanks and how long it took out.

    python -m venv ACRO && ACRO/bin/pip install acro        (it needs other packages than the lock)
    ACRO/bin/python benchmarks/acro_tables.py THRESHOLD < tables.json

Run by benchmarks/protection.py --acro ACRO/bin/python. ACRO withholds what is small, cell by cell.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import tempfile
import time

import pandas as pd


def main() -> int:
    threshold = int(sys.argv[1])
    tables = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        import acro as package

        logging.disable(logging.CRITICAL)
        session = package.ACRO(suppress=True)
        session.config["safe_threshold"] = threshold
        package.acro_tables.THRESHOLD = threshold
        blanked, started = [], time.process_time()
        for table in tables:
            people = pd.DataFrame([(r, c) for r, row in enumerate(table) for c, n in enumerate(row) for _ in range(n)],
                                  columns=["r", "c"])  # fmt: skip
            shown = session.crosstab(people["r"], people["c"])
            shown = shown.reindex(index=range(len(table)), columns=range(len(table[0])))
            blanked.append(shown.isna().to_numpy().tolist())
        seconds = time.process_time() - started
    print(json.dumps({"version": getattr(package, "__version__", ""), "blanked": blanked, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run one shared notebook with parameters: strictly, and fast.

>>> from shared_code.execution import run_notebook
>>> run_notebook(Path("notebooks/mortality.ipynb"), Path("private/demo_a/mortality.ipynb"),
...              {"site": "demo_a"}, root=Path("."))                                     # doctest: +SKIP

Importing this package loads the standard library only, so that the command line starts at once.
"""

from shared_code.execution.client import run_notebook
from shared_code.execution.errors import NotebookError, NotebookFailed, NotebookRefused

__all__ = ["NotebookError", "NotebookFailed", "NotebookRefused", "run_notebook"]

"""Take out of an executed notebook whatever differs between two identical runs.

Times, paths, random cell ids, memory addresses in printed objects and the accidental splitting of printed text
into pieces say nothing about the analysis; without them identical input gives a byte-identical file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from shared_code.execution.checks import INJECTED_TAG

_ADDRESS = re.compile(r"\bat 0x[0-9A-Fa-f]+")


def name_injected_cell(notebook: Any) -> None:
    """Give the injected cell its tag as id, and cells stored without an id their number (changes the notebook)."""
    taken = {cell.get("id") for cell in notebook.cells}
    for cell in notebook.cells:
        if INJECTED_TAG in cell.metadata.get("tags", []):
            name = INJECTED_TAG
            while name in taken:
                name += "-"
            cell["id"] = name


def name_cells(stored: dict[str, Any]) -> dict[str, Any]:
    """Give cells stored without an id (format before 4.5) their number as id, and raise the format to 4.5."""
    stored["nbformat_minor"] = max(5, stored.get("nbformat_minor", 0))
    taken = {cell.get("id") for cell in stored["cells"]}
    for number, cell in enumerate(stored["cells"], 1):
        name = f"cell-{number}"
        while "id" not in cell and name in taken:
            name += "-"
        cell.setdefault("id", name)
    return stored


def tidy(notebook: Any, parameters: dict[str, Any]) -> None:
    """Normalise metadata and outputs of an executed notebook (changes the notebook)."""
    notebook.metadata["papermill"] = {"parameters": parameters}
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
            for output in cell.outputs:
                _hide_addresses(output)


def merge_streams(outputs: Iterable[Any]) -> list[Any]:
    """Join printed text that arrived in pieces: between two other outputs first all of stdout, then all of stderr."""
    merged: list[Any] = []
    pieces: dict[str, Any] = {}

    def close() -> None:
        merged.extend(pieces[name] for name in sorted(pieces, reverse=True))  # 'stdout' before 'stderr'
        pieces.clear()

    for output in outputs:
        if output.output_type != "stream":
            close()
            merged.append(output)
        elif output.name in pieces:
            pieces[output.name].text += output.text
        else:
            pieces[output.name] = output
    close()
    return merged


def _hide_addresses(output: Any) -> None:
    if output.output_type == "stream":
        output.text = _ADDRESS.sub("at 0x0", output.text)
    elif output.output_type in ("display_data", "execute_result"):
        text = output.data.get("text/plain")
        if isinstance(text, str):
            output.data["text/plain"] = _ADDRESS.sub("at 0x0", text)

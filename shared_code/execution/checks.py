"""Check a stored notebook and the parameters given to it before anything runs.

Works on the text of the file with the standard library alone, so that a mistake is told at once.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"


def check_notebook(text: str, parameters: Mapping[str, Any], allow_defaults: Iterable[str], where: str) -> list[str]:
    """Return every problem of a notebook (text of the file) and its parameters; an empty list when all is in order.

    Each problem reads 'where: what is wrong. what is allowed. what to do'.
    """
    try:
        notebook = json.loads(text)
        cells = notebook["cells"]
        if notebook["nbformat"] != 4 or not all(isinstance(cell, dict) for cell in cells):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        return [f"{where}: this is not a notebook. Allowed: a notebook of format 4. Save it again in Jupyter."]
    problems = [*_wrong_language(notebook, where), *_stored_outputs(cells, where)]
    tagged = [cell for cell in cells if PARAMETERS_TAG in _tags(cell) and cell.get("cell_type") == "code"]
    if any(INJECTED_TAG in _tags(cell) for cell in cells):
        problems.append(
            f"{where}: it holds a cell tagged '{INJECTED_TAG}', so it is an executed notebook. "
            "Allowed: a notebook as stored. Run the stored one, or remove that cell."
        )
    if len(tagged) != 1:
        problems.append(
            f"{where}: {len(tagged) or 'no'} code cell{'s are' if len(tagged) > 1 else ' is'} tagged "
            f"'{PARAMETERS_TAG}'. Allowed: exactly one. Tag the cell that assigns the parameters."
        )
        return problems
    place = f"{where}, cell '{tagged[0].get('id', PARAMETERS_TAG)}'"
    try:
        assigned = assigned_names(_source(tagged[0]))
    except (SyntaxError, ValueError) as error:
        problems.append(
            f"{place}: {error.args[0]}. Allowed: comments, imports and 'name = value' or 'name: type = value', "
            "each name once. Write the cell in that form."
        )
        return problems
    return [*problems, *check_parameters(assigned, parameters, allow_defaults, place)]


def check_parameters(
    assigned: list[str], parameters: Mapping[str, Any], allow_defaults: Iterable[str], place: str
) -> list[str]:
    """Return the problems of parameters against the names that the parameters cell assigns."""
    allowed = ", ".join(assigned) or "none"
    problems = []
    for name in parameters:
        if name not in assigned:
            problems.append(
                f"{place}: parameter '{name}' was given but is not assigned there. Allowed: {allowed}. "
                f"{_suggest(name, [n for n in assigned if n not in parameters] or assigned)}"
                "Correct the name where the run is asked for, or assign it in that cell."
            )
        else:
            problems += [f"{place}: parameter '{name}' {problem}" for problem in value_problems(parameters[name])[:1]]
    for name in allow_defaults:
        if name not in assigned:
            problems.append(
                f"{place}: '{name}' is allowed to keep its default but is not assigned there. Allowed: {allowed}. "
                f"{_suggest(name, assigned)}Correct the name where the run is asked for."
            )
    unknown = [name for name in parameters if name not in assigned]
    for name in assigned:
        if name not in parameters and name not in allow_defaults:
            problems.append(
                f"{place}: parameter '{name}' was not given. Allowed: a value for each of {allowed}. "
                f"{_suggest(name, unknown, 'given was')}Give it, or allow it to keep its default."
            )
    return problems


def value_problems(value: Any) -> list[str]:
    """Return why a value cannot be handed over with its type kept (text, number, true or false, None, list, dict)."""
    kinds = "text, whole and finite decimal numbers, True, False, None, and lists and dicts of them"
    if value is None or type(value) in (str, bool, int):
        return []
    if type(value) is float:
        if math.isfinite(value):
            return []
        return [f"is {value}. Allowed: {kinds}. Leave the value out or give None."]
    if type(value) is list:
        return [problem for item in value for problem in value_problems(item)]
    if type(value) is dict and all(type(key) is str for key in value):
        return [problem for item in value.values() for problem in value_problems(item)]
    what = "a dict whose keys are not text" if type(value) is dict else f"of type {type(value).__name__}"
    return [f"is or holds something {what}. Allowed: {kinds}. Convert it first, for example with str()."]


def assigned_names(source: str) -> list[str]:
    """Return the names that a parameters cell assigns, in order.

    Raises ValueError for anything but assignments to plain names, and SyntaxError for what Python cannot read.

    >>> assigned_names("site = 'demo_a'  # which site\\nyear: int = 2024")
    ['site', 'year']
    """
    names: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            name = node.target.id
        elif isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
            continue
        else:
            raise ValueError(f"line {node.lineno} is not a plain assignment")
        if name in names:
            raise ValueError(f"line {node.lineno} assigns '{name}' a second time")
        names.append(name)
    return names


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _wrong_language(notebook: dict[str, Any], where: str) -> list[str]:
    kernel = notebook.get("metadata", {}).get("kernelspec", {})
    language = kernel.get("language", "python")
    if language.lower() == "python":
        return []
    return [f"{where}: its language is {language}. Allowed: Python. Choose a Python kernel in Jupyter and save."]


def _stored_outputs(cells: list[dict[str, Any]], where: str) -> list[str]:
    with_outputs = [str(cell.get("id", number)) for number, cell in enumerate(cells, 1) if cell.get("outputs")]
    if not with_outputs:
        return []
    problem = f"{where}: outputs are stored in cells {', '.join(with_outputs)}. Allowed: a notebook without outputs, "
    return [problem + "for they can hold values about people. Clear all outputs and save."]


def _suggest(name: str, known: Iterable[str], lead: str = "did you mean") -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    if not near:
        return ""
    return f"{lead[0].upper()}{lead[1:]} '{near[0]}'{'?' if lead == 'did you mean' else '.'} "


def _tags(cell: dict[str, Any]) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)

"""Run the cells and the inline expressions of one page in one Python kernel."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .options import CellOptions
from .problems import Problems, RenderingError
from .source import Block

INLINE = re.compile(r"(^|[^`])`\{python\}[ \t]([^`]+)`", re.MULTILINE)
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Unix sockets have short names; where the temporary folder is deep, ordinary local ports are used instead.
LONGEST_SOCKET = 90
# Quarto's figure size and resolution; the salt makes SVG ids the same in every run.
STYLE = "figure.figsize: {width}, {height}\nfigure.dpi: {dpi}\nsavefig.dpi: figure\nsvg.hashsalt: figure\n"


@dataclass
class Executed:
    """One block after the run: the outputs of a cell, or the values of the inline expressions in order."""

    block: Block
    options: CellOptions = field(default_factory=CellOptions)
    outputs: list[Any] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)


def declared_parameters(source: str) -> list[str]:
    """List the names assigned at the top level of a parameters cell.

    >>> declared_parameters("year = 2024\\nareas: list = ['A']")
    ['year', 'areas']
    """
    names: list[str] = []
    for node in ast.parse(source).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def parameters_source(values: dict[str, Any]) -> str:
    """Write the cell that overrides parameters.

    >>> print(parameters_source({"code": "007"}))
    # Injected Parameters
    code = '007'
    """
    return "\n".join(["# Injected Parameters", *(f"{name} = {value!r}" for name, value in values.items())])


def inject_parameters(
    blocks: list[Block], parameters: dict[str, Any], problems: Problems
) -> tuple[list[Block], set[str]]:
    """Put the override cell behind the cell tagged `parameters`; also say which names the page declares."""
    for position, block in enumerate(blocks):
        tags = block.given.get("tags") or []
        if block.kind != "cell" or "parameters" not in ([tags] if isinstance(tags, str) else tags):
            continue
        try:
            declared = set(declared_parameters(block.source))
        except SyntaxError as error:
            problems.error(
                f"the parameters cell is not valid Python: {error.msg}. Put it right.", block.line, block.file
            )
            return blocks, set()
        wanted = {name: value for name, value in parameters.items() if name in declared}
        if not wanted:
            return blocks, declared
        given = {key: value for key, value in block.given.items() if key not in ("label", "id", "tags")}
        kept = [text for text in block.option_lines if not re.match(r"^#\s*\|\s*(label|id|tags)\s*:", text)]
        extra = Block("cell", parameters_source(wanted), block.file, block.line, block.indent, kept, given)
        return [*blocks[: position + 1], extra, *blocks[position + 1 :]], declared
    return blocks, set()


def _argv() -> list[str]:
    return [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
        "--HistoryManager.enabled=False",
        "--InlineBackend.figure_formats={'retina'}",
    ]


def _environment(folder: Path, page: Path, project: Path, figure: dict[str, Any]) -> dict[str, str]:
    style = folder / "matplotlibrc"
    own = os.environ.get("MATPLOTLIBRC", "")
    own_file = Path(own, "matplotlibrc") if own and Path(own).is_dir() else Path(own) if own else None
    text = STYLE.format(
        width=figure.get("fig-width", 7), height=figure.get("fig-height", 5), dpi=figure.get("fig-dpi", 96)
    )
    style.write_text(text + (own_file.read_text() if own_file and own_file.is_file() else ""))
    fixed = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(style),
        "QUARTO_PROJECT_ROOT": str(project),
        "QUARTO_PROJECT_DIR": str(project),
        "QUARTO_DOCUMENT_PATH": str(page.parent),
    }
    # The same input gives the same bytes: no dates in figures, one order of sets.
    defaults = {"SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return {**defaults, **os.environ, **fixed}


async def run_page(
    blocks: list[Block],
    options: dict[int, CellOptions],
    page: Path,
    project: Path,
    folder: Path,
    figure: dict[str, Any],
    where: str,
) -> list[Executed]:
    """Run a page's blocks in order in a new kernel that starts in `folder`.

    `options` maps the position of each cell to its options. A failing cell or expression raises RenderingError
    that names page, cell and line. A page without code starts no kernel.
    """
    result = [Executed(block, options.get(position, CellOptions())) for position, block in enumerate(blocks)]
    if not any(_needs_kernel(item) for item in result):
        return result
    import nbformat
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    scratch = Path(tempfile.mkdtemp(prefix="page-"))
    local = os.name == "posix" and len(str(scratch)) < LONGEST_SOCKET
    manager = AsyncKernelManager(transport="ipc" if local else "tcp", connection_file=str(scratch / "k.json"))
    manager._kernel_spec = KernelSpec(argv=_argv(), language="python", display_name="Python")
    notebook = nbformat.v4.new_notebook()
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=None,
        shutdown_kernel="immediate",
        coalesce_streams=True,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        async with client.async_setup_kernel(cleanup_kc=True, env=_environment(scratch, page, project, figure)):
            for item in result:
                if item.block.kind == "cell" and item.options.eval:
                    await _run_cell(client, notebook, item)
                elif item.block.kind == "text":
                    await _run_inline(client, item)
    except DeadKernelError as error:
        raise RenderingError(
            f"{where}: the Python process that ran the cells ended ({error}). "
            "It may have run out of memory. Run the page's code by itself."
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result


def _needs_kernel(item: Executed) -> bool:
    if item.block.kind == "cell":
        return item.options.eval
    return item.block.kind == "text" and bool(INLINE.search(item.block.source))


async def _run_cell(client, notebook, item: Executed) -> None:
    import nbformat
    from nbclient.exceptions import CellExecutionError

    cell = nbformat.v4.new_code_cell(item.block.source)
    if item.options.error:
        cell.metadata["tags"] = ["raises-exception"]
    notebook.cells.append(cell)
    try:
        await client.async_execute_cell(cell, len(notebook.cells) - 1)
    except CellExecutionError as error:
        name = f"cell '{item.options.label}'" if item.options.label else "cell"
        kind, value = ANSI.sub("", error.ename), ANSI.sub("", error.evalue)
        trace: list[str] = next(
            (output["traceback"] for output in cell.outputs if output["output_type"] == "error"), []
        )
        at = re.findall(r"(?:^|\n)-+> (\d+) (.*)", ANSI.sub("", "\n".join(trace)))
        # The first arrow of the traceback points into the cell itself; option lines were taken off before the run.
        inside = f" in '{at[0][1].strip()}'" if at else ""
        number = item.block.line + len(item.block.option_lines) + int(at[0][0]) if at else item.block.line
        raise RenderingError(
            f"{item.block.file}, line {number}, {name}: {kind}: {value}{inside}. A page is rendered only "
            "if its cells run. Correct the cell, or write '#| error: true' to show the error."
        ) from None
    item.outputs = list(cell.outputs)


async def _run_inline(client, item: Executed) -> None:
    matches = list(INLINE.finditer(item.block.source))
    if not matches:
        return
    expressions = {str(number): match.group(2).strip() for number, match in enumerate(matches)}
    message = client.kc.execute("", user_expressions=expressions, store_history=False)
    reply = await client.async_wait_for_reply(message)
    answers = reply["content"].get("user_expressions", {})
    for number, match in enumerate(matches):
        answer = answers.get(str(number), {"status": "error", "ename": "KernelError", "evalue": "no answer"})
        if answer.get("status") != "ok":
            line = item.block.line + item.block.source.count("\n", 0, match.start(2))
            failure = f"{answer.get('ename')}: {answer.get('evalue')}"
            raise RenderingError(
                f"{item.block.file}, line {line}: inline code '{match.group(2).strip()}' failed: {failure}. "
                "Names must be defined in a cell above. Define it there."
            )
        item.values.append(answer)

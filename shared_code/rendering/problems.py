"""Collect what is wrong with pages, so that everything is shown together."""

from __future__ import annotations

from collections.abc import Iterable


class RenderingError(Exception):
    """Stop a render; `problems` is one line, or a list of lines, for each thing to put right.

    >>> print(RenderingError(["a.qmd, line 3: no such figure.", "b.qmd: no title."]))
    2 problems stop the rendering:
      a.qmd, line 3: no such figure.
      b.qmd: no title.
    """

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(dict.fromkeys(problems))
        number = len(self.problems)
        head = "1 problem stops the rendering:" if number == 1 else f"{number} problems stop the rendering:"
        super().__init__("\n  ".join([head, *self.problems]))


class Problems:
    """Gather errors and warnings of one page (or project); `where` starts each message.

    >>> found = Problems("a.qmd")
    >>> found.error("no title.", line=3)
    >>> found.errors
    ['a.qmd, line 3: no title.']
    """

    def __init__(self, where: str):
        self.where = where
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def _place(self, line: int | None, file: str | None) -> str:
        place = file or self.where
        return place if line is None else f"{place}, line {line}"

    def error(self, text: str, line: int | None = None, file: str | None = None) -> None:
        """Add one error; the rendering goes on to find others and stops at the end."""
        message = f"{self._place(line, file)}: {text}"
        if message not in self.errors:
            self.errors.append(message)

    def warning(self, text: str, line: int | None = None, file: str | None = None) -> None:
        """Add one warning, which is shown but stops nothing."""
        message = f"{self._place(line, file)}: {text}"
        if message not in self.warnings:
            self.warnings.append(message)

    def stop_if_any(self) -> None:
        """Raise RenderingError when there are errors."""
        if self.errors:
            raise RenderingError(self.errors)

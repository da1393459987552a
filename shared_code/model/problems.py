"""Problems a person can mend: collected, shown together, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """Hold one thing that is wrong with an input.

    where    file and key, table and column, or package and cell
    wrong    what is wrong, with the value
    allowed  what is allowed there
    mend     what to do, naming the file and the key to change
    told     what to say instead of `wrong` where people outside the site's private room may read it
    """

    where: str
    wrong: str
    allowed: str = ""
    mend: str = ""
    told: str = ""

    def without_values(self) -> Problem:
        """Give the problem as it may be told outside the private room."""
        return replace(self, wrong=self.told or self.wrong, told="")

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.wrong.rstrip('.')}."]
        if self.allowed:
            parts.append(f"Allowed: {self.allowed.rstrip('.')}.")
        if self.mend:
            parts.append(f"{self.mend.rstrip('.')}.")
        return " ".join(parts)


class Refused(Exception):
    """Stop because an input cannot be used; carries every problem found, not only the first.

    >>> print(Refused("site.yaml", [Problem("site.yaml, tables.person", "no file is named", "a file name")]))
    site.yaml cannot be used: 1 problem.
      1. site.yaml, tables.person: no file is named. Allowed: a file name.
    """

    def __init__(self, what: str, problems: Iterable[Problem]):
        self.what = what
        self.problems = list(problems)
        count = len(self.problems)
        lines = [f"{what} cannot be used: {count} problem{'s' if count != 1 else ''}."]
        lines += [f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1)]
        super().__init__("\n".join(lines))


    def without_values(self, record: str) -> Refused:
        """Give the same refusal without any rare value of the extract; `record` names the private file that has them."""
        told = Refused(self.what, [problem.without_values() for problem in self.problems])
        if any(problem.told for problem in self.problems):
            told.args = (f"{told}\nThe values behind these problems are in {record}, which stays at the site.",)
        return told


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the known word nearest to a misspelt one, or say nothing.

    >>> did_you_mean("persn", ["person", "death"])
    ' (did you mean person?)'
    """
    near = get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def few(values: Iterable[object], most: int = 8) -> str:
    """List values in words, shortened when there are many.

    >>> few(["a", "b"])
    'a, b'
    """
    listed = [str(v) for v in values]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")

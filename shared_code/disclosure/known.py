"""Numbers that what left before tells already: withholding them cannot hide them, and need not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shared_code.disclosure.search import all_withheld
from shared_code.disclosure.system import IMPLICIT, System


def without_known(system: System, threshold: int) -> tuple[System, int]:
    """Ask nothing of the intervals of numbers that are told already; gives the system, and how many these are.

    A new table of a later release often adds up numbers that left before (wider bands, fewer dimensions). Were all of it
    withheld, anyone could still add them up. Such a number may be withheld beside others with the range that follows; an
    interval as wide as that of a small number cannot be asked of it. This holds only for numbers that no pattern could
    protect, of nobody or of the threshold or more, and never for one that has to be withheld; the people without an
    attribute are looked at by themselves as ever.

    threshold  the fewest people that a number may be about
    """
    told = np.zeros(system.size, bool)
    told[[finding.unknown for finding in all_withheld(system, system.closed(system.primary)).findings]] = True
    told &= ~system.primary & (system.kind != IMPLICIT) & ((system.truth == 0) | (system.truth >= threshold))
    nothing = {"need_width": 0.0, "need_max": -np.inf, "need_min": np.inf}
    asked = {name: np.where(told, value, getattr(system, name)) for name, value in nothing.items()}
    return replace(system, **asked), int(told.sum())

"""Solutions found by the programmes of one audit, kept for the next: evidence that costs no programme."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from shared_code.disclosure.system import System

MOST_KEPT = 300  # solutions of one component
MOST_SETS = 4  # sets of solutions looked at for one component, the latest first


@dataclass
class Points:
    """Hold solutions by the unknowns they are about; other unknowns have the site's own numbers.

    A solution is no claim: whoever takes it must see that it fulfils everything that is known at that time.
    """

    system: System
    sets: dict[bytes, tuple[np.ndarray, list[np.ndarray]]] = field(default_factory=dict)
    homes: dict[int, list[bytes]] = field(default_factory=dict)

    def add(self, members: np.ndarray, values: np.ndarray) -> None:
        """Keep one solution of a component."""
        key = members.tobytes()
        if key not in self.sets:
            self.sets[key] = members, []
            for unknown in members[np.isfinite(self.system.need_width[members]) & (self.system.need_width[members] > 0)].tolist():
                self.homes.setdefault(unknown, []).append(key)
        kept = self.sets[key][1]
        kept.append(values)
        if len(kept) > MOST_KEPT:
            del kept[0]

    def of(self, members: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
        """Give the solutions that are about any of these targets, a row each, for the unknowns `members`; None without any."""
        keys = dict.fromkeys(key for target in targets.tolist() for key in self.homes.get(target, [])[-MOST_SETS:])
        if not keys:
            return None
        truth = self.system.truth[members]
        own = np.where(np.isnan(truth), 0.0, truth)
        found = []
        for key in keys:
            about, values = self.sets[key]
            at = np.minimum(np.searchsorted(about, members), len(about) - 1)
            same = about[at] == members
            rows = np.tile(own, (len(values), 1))
            rows[:, same] = np.array(values)[:, at[same]]
            found.append(rows)
        return np.concatenate(found)

"""Sums over sites of which nobody sees the parts: every pair of sites shares masks that cancel in the total.

Anything that adds up over sites can travel so, the steps of a federated regression among it. The disclosure threshold then
applies to totals. At least three sites, all of them to the end; it does not help against partners who put their own parts
together, so totals are published only after every site has looked at the total without itself (`may_publish`).
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from shared_code.methods.checks import require

MODULUS, SCALE = 2**64, 2**32  # fixed point: 32 binary places, numbers up to 2 thousand million
FEWEST_SITES = 3


@dataclass(frozen=True)
class Blinded:
    """Hold what one site sends: numbers that mean nothing until those of all its partners are added."""

    site: str
    partners: tuple[str, ...]
    run: str
    values: Mapping[str, int]


def blind(values: Mapping[str, float], site: str, keys: Mapping[str, bytes], run: str, modulus: int = MODULUS,
          scale: int = SCALE) -> Blinded:  # fmt: skip
    """Hide a site's numbers under masks that cancel over all sites.

    values: name of a cell -> number; keys: partner -> key shared with it alone (16 bytes or more); run: what is asked, never
    used twice (a digest of the request). Method: Bonawitz et al. 2017, without recovery of drop-outs; masks are
    HMAC-SHA256 of run and cell, added for partners later in the alphabet and subtracted for earlier ones; fixed point
    modulo `modulus`. Raises ValueError for a number that is too large, a short key, or fewer than two partners.

    >>> keys = {("a", "b"): b"k" * 16, ("a", "c"): b"l" * 16, ("b", "c"): b"m" * 16}
    >>> def of(site): return {(x if y == site else y): k for (x, y), k in keys.items() if site in (x, y)}
    >>> sent = [blind({"deaths": n}, s, of(s), "run 1") for s, n in (("a", 120), ("b", 88), ("c", 6))]
    >>> reveal(sent)
    {'deaths': 214.0}
    """
    remedy = "Agree on keys with every partner, in pairs"
    require(len(keys) >= FEWEST_SITES - 1 and site not in keys, "blind", "too few partners, or the site itself among them",
            f"At least {FEWEST_SITES} sites", remedy)  # fmt: skip
    require([len(key) >= 16 for key in keys.values()], "blind", "a key is short", "16 bytes or more", remedy)
    hidden = {}
    for cell, value in values.items():
        require(math.isfinite(value) and abs(value) < modulus / scale / 4, "blind", f"{cell} is too large",
                "A finite number within the fixed point", "Change its unit")  # fmt: skip
        total = round(Fraction(value) * scale)
        for partner, key in keys.items():
            mask = int.from_bytes(hmac.new(key, f"{run}\x00{cell}".encode(), hashlib.sha256).digest(), "big")
            total += mask if site < partner else -mask
        hidden[cell] = total % modulus
    return Blinded(site, tuple(sorted(keys)), run, hidden)


def reveal(sent: Sequence[Blinded], modulus: int = MODULUS, scale: int = SCALE) -> dict[str, float]:
    """Add up what all sites sent: the masks cancel and the totals appear.

    Raises ValueError when a site is missing or there twice, or when runs or cells differ: any of these would give noise.
    """
    sites = sorted(one.site for one in sent)
    remedy = "Begin a new run with the sites that take part"
    whole = len(sites) >= FEWEST_SITES and all(sorted([one.site, *one.partners]) == sites for one in sent)
    require(whole, "reveal", "the sites are not all there, or not the same", "Every partner once", remedy)
    same = len({(one.run, frozenset(one.values)) for one in sent}) == 1
    require(same, "reveal", "the sites answered different requests", "One run, the same cells", remedy)
    totals = {cell: sum(one.values[cell] for one in sent) % modulus for cell in sent[0].values}
    return {cell: (total - modulus if total >= modulus // 2 else total) / scale for cell, total in totals.items()}


def may_publish(total: float, own: float, threshold: int) -> bool:
    """Tell whether a total of people may be published as far as one site is concerned: nobody else's part is small.

    own: the site's part, which it alone knows. A site that finds the others' part to be 1 to threshold - 1 refuses.

    >>> may_publish(57, 50, 10), may_publish(65, 50, 10), may_publish(50, 50, 10)
    (False, True, True)
    """
    others = total - own
    return others == 0 or others >= threshold

"""The disclosure policy: named rule sets with their parameters, and how a site's own rules tighten the study's."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from shared_code.config.strict import Strict

# The rule sets of the methods specification 11.2, by their parameters. Whatever the set, all tables of a release are
# protected together (11.4) and totals are rounded from true totals; a set says what is small and how numbers are rounded.
RULE_SETS: dict[str, dict[str, Any]] = {
    "NET10": {"threshold": 10, "rounding": 5, "round_to": "multiple"},
    "HES": {"threshold": 8, "rounding": 5, "round_to": "multiple"},
    "OPENSAFELY": {"threshold": 8, "rounding": 5, "round_to": "multiple"},
    "MID6": {"threshold": 1, "rounding": 6, "round_to": "midpoint"},
}
HIGHER_IS_STRICTER = ("threshold", "rounding", "first_class", "p_percent", "fewest_contributing", "colluding")
LOWER_IS_STRICTER = ("dominance",)


class Policy(Strict):
    """Disclosure rules. A site may be stricter than the study, never looser.

    rule_set    gives what is not set here: NET10 (the default), HES, OPENSAFELY or MID6
    threshold   counts of 1 to threshold - 1 people are withheld, and whatever would give them away; 1 switches
                withholding off
    rounding    released counts are rounded half up to a multiple of this; 1 = not rounded
    round_to    multiple, or midpoint: 1 to 6 become 3, 7 to 12 become 9 (for a rounding of 6)
    first_class the ranges of small withheld numbers end below so many times the threshold (2: 1-19 at a threshold of
                10), or with 1 at the threshold itself (1-10), the narrowest range that the audit lets pass
    dominance   largest share of a sum that its two largest contributions may have (n, k rule with n = 2)
    p_percent   the rest of a sum beyond its two largest contributions must be at least so many % of the largest
    fewest_contributing   a pooled number needs so many sites that contribute to it
    colluding   so many sites putting their own numbers together must not learn a small number of the others
    """

    rule_set: Literal["NET10", "HES", "OPENSAFELY", "MID6"] = "NET10"
    threshold: int = Field(10, ge=1)
    rounding: int = Field(5, ge=1)
    round_to: Literal["multiple", "midpoint"] = "multiple"
    first_class: int = Field(2, ge=1, le=2)
    dominance: float = Field(0.9, gt=0, le=1)
    p_percent: float = Field(10, ge=0)
    fewest_contributing: int = Field(3, ge=1)
    colluding: int = Field(1, ge=1, le=2)

    @model_validator(mode="after")
    def _protects(self) -> Policy:
        for name, value in RULE_SETS[self.rule_set].items():
            if name not in self.model_fields_set:
                self.__dict__[name] = value  # what the named rule set says; it does not count as set by hand
        if self.threshold == 2:
            raise ValueError("a threshold of 2 withholds only the count 1, and so tells it; take 3 or more")
        return self

    def stricter(self, site: Policy | None) -> Policy:
        """Take the stricter of the study's and the site's rules, setting by setting; what a site leaves out is the study's.

        A site that names a rule set takes its threshold and rounding as its own. How numbers are rounded is the study's
        choice, because pooling relies on it.

        >>> Policy(threshold=10).stricter(Policy(rule_set="HES", threshold=12)).threshold
        12
        """
        if site is None:
            return self
        given = {*site.model_fields_set, *(("threshold", "rounding") if "rule_set" in site.model_fields_set else ())}
        higher = {n: max(getattr(self, n), getattr(site, n)) for n in HIGHER_IS_STRICTER if n in given}
        lower = {n: min(getattr(self, n), getattr(site, n)) for n in LOWER_IS_STRICTER if n in given}
        return self.model_copy(update=higher | lower)

    @property
    def smallest_shown(self) -> int:
        """Give the smallest count of people that may be shown: it is, and is rounded to, the threshold or more.

        >>> Policy(threshold=10, rounding=5).smallest_shown, Policy(threshold=12, rounding=5).smallest_shown
        (10, 13)
        """
        if self.threshold == 1:
            return 1
        if self.round_to == "midpoint":  # shown as the middle of its group of `rounding`
            group = -(-self.threshold // self.rounding)
            middle = group * self.rounding - self.rounding // 2
            return self.threshold if middle >= self.threshold else group * self.rounding + 1
        multiple = -(-self.threshold // self.rounding) * self.rounding
        return max(self.threshold, multiple - self.rounding // 2)

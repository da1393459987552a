"""Settings of a linkage, and the words that go out with a link."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from shared_code.linkage.nhs_number import Rules

LINKER_VERSION = "1"  # raise it with every change that can change a link
METHODS = {
    "D1": "valid NHS number, and birth year or two other details agree",
    "D2": "number missing; surname, forename, date of birth, sex and postcode agree",
    "D3": "number missing; the same without the postcode, and one person only",
    "P": "probabilistic",
    "U": "unlinked",
}
DETERMINISTIC = ("D1", "D2", "D3")
NO_BAND, EXACT_BAND = "none", "deterministic"
BANDS = ((0.999, "0.999+"), (0.99, "0.990-0.999"), (0.95, "0.950-0.990"), (0.80, "0.800-0.950"))
REVIEW = {
    "clerical": "probability between the clerical and the accepting threshold",
    "ambiguous": "more than one person would be accepted alone",
    "person_taken": "another record of the same source is the better match of this person",
    "large_cluster": "the records and people that match one another are more than the cap",
    "doubtful_number": "linked by its number (D1), but forename and date of birth, or forename and sex, are another's",
}
PLACEHOLDER_DATES = ("1800-01-01", "1899-12-31", "1900-01-01", "1901-01-01", "9999-12-31")  # "not known" in disguise


@dataclass(frozen=True)
class Settings:
    """Say how records are linked.

    private         folder of the site's private room, under which a temporary folder is made and removed
    accept          probability from which a probabilistic link is made; sensitivity: 0.95 and 0.999
    clerical        probability from which a pair is listed for review, in the private room only
    one_to_one      a source holds one record of a person, so a person is linked to one record of it by step P
    cluster_cap     records and people that match one another in one source; more are reviewed, not linked
    seed            of the random pairs that give u
    random_pairs    how many of them
    training_rows   records that EM learns from, at most
    fewest_to_train with fewer records or people than this the published parameters are used instead
    swap_is_one_error  day and month exchanged count as one error of a date (as written, §12.5 rejects them)
    made_up         made-up people: test numbers are valid and no secret key is needed
    key             the pseudonym key, where the caller has read it already; it is never shown
    """

    private: Path
    accept: float = 0.99
    clerical: float = 0.80
    one_to_one: bool = True
    cluster_cap: int = 4
    seed: int = 1
    random_pairs: int = 2_000_000
    training_rows: int = 50_000
    fewest_to_train: int = 5_000
    swap_is_one_error: bool = False
    made_up: bool = False
    threads: int = 2
    memory: str = "4GB"
    numbers: Rules = field(default_factory=Rules)
    placeholder_dates: tuple[str, ...] = PLACEHOLDER_DATES
    key: bytes = field(default=b"", repr=False)

    @property
    def rules(self) -> Rules:
        return Rules(self.made_up or self.numbers.made_up, self.numbers.ranges, self.numbers.reject_unissued)


def band(probability: float) -> str:
    """Name the weight band of a probability.

    >>> band(0.9995), band(0.99), band(0.5)
    ('0.999+', '0.990-0.999', 'none')
    """
    return next((name for lowest, name in BANDS if probability >= lowest), NO_BAND)

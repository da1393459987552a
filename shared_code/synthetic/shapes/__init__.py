"""The five shapes in which teams deliver: SPSS, Stata, SAS, delimited text, and an SQLite database.

Each writer takes the tables of `synthetic.tables`, an empty folder, the seed and the date to print into file headers.
"""

from shared_code.synthetic.shapes.database import write_database
from shared_code.synthetic.shapes.delimited import write_delimited
from shared_code.synthetic.shapes.sas import write_sas
from shared_code.synthetic.shapes.spss import write_spss
from shared_code.synthetic.shapes.stata import write_stata

SHAPES = {
    "spss": write_spss, "stata": write_stata, "sas": write_sas, "csv": write_delimited, "sqlite": write_database,
}  # fmt: skip
NUMBERED = ("sqlite",)  # shapes that carry the site's own patient numbers instead of pseudonyms

WITH_HOSPITAL = ("stata", "sqlite")  # shapes that can deliver a hospital's records with identifiers only

__all__ = ["NUMBERED", "SHAPES", "WITH_HOSPITAL"]

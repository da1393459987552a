"""Tables about places, and about what was received: nothing here is about a person."""

from __future__ import annotations

from shared_code.model.columns import LSOA11, WARD, Column, Table, coded, small_area

REFERENCE = "reference"
VINTAGE = "[0-9]{4}-[0-9]{2}"

AREA_LOOKUP = Table("area_lookup", "one small area (LSOA)", (
    small_area("lsoa21", "the lookup", key=True),
    Column("ward_vintage", "text", "edition of the ward codes, YYYY-MM", pattern=VINTAGE, key=True,
           sensitivity=REFERENCE),
    Column("lsoa11", "text", "small area of the 2011 edition that it descends from", pattern=LSOA11,
           sensitivity=REFERENCE),
    Column("ward_cd", "text", "ward code of that edition", pattern=WARD, required=True, sensitivity=REFERENCE),
    Column("ward_name", "text", "ward name", sensitivity=REFERENCE),
    Column("lad_cd", "text", "district code", pattern="[EW]0[6789][0-9]{6}", sensitivity=REFERENCE),
    Column("locality", "text", "the site's own name for the neighbourhood or district", required=True,
           sensitivity=REFERENCE),
    coded("imd_version", "edition of the deprivation index", {
        "IoD2019": "English Indices 2019 (LSOA 2011)", "IoD2025": "English Indices 2025 (LSOA 2021)"}, required=True,
        sensitivity=REFERENCE),
    Column("imd_rank", "integer", "national rank of deprivation, 1 = most deprived", lowest=1, highest=33755,
           sensitivity=REFERENCE),
    Column("imd10", "integer", "national decile of deprivation, 1 = most deprived", required=True, lowest=1, highest=10,
           sensitivity=REFERENCE),
    coded("rural_urban", "rural or urban", {"rural": "rural", "urban": "urban"}, sensitivity=REFERENCE),
    Column("weight", "number", "share of the people, where an area is split between wards", lowest=0, highest=1,
           sensitivity=REFERENCE),
), one_value=("imd_version", "ward_vintage"))  # fmt: skip

AREA_POPULATION = Table("area_population", "people of one age and sex living in an area in one year", (
    Column("area_cd", "text", "small area (LSOA, 2021 edition)", pattern=LSOA11, key=True, sensitivity=REFERENCE),
    Column("year", "integer", "year of the mid-year estimate", key=True, lowest=1990, highest=2100,
           sensitivity=REFERENCE),
    Column("sex", "text", "sex", values={"F": "female", "M": "male"}, key=True, sensitivity=REFERENCE),
    Column("age", "integer", "completed years; 90 = 90 and over", key=True, lowest=0, highest=90,
           sensitivity=REFERENCE),
    Column("population", "number", "people", required=True, lowest=0, sensitivity=REFERENCE),
    Column("source", "text", "where the number comes from", sensitivity=REFERENCE),
))  # fmt: skip

WARD_INDICATOR = Table("ward_indicator", "one indicator of one ward in one period", (
    Column("ward_cd", "text", "ward code", pattern=WARD, key=True, sensitivity=REFERENCE),
    Column("ward_vintage", "text", "edition of the ward codes, YYYY-MM", pattern=VINTAGE, key=True,
           sensitivity=REFERENCE),
    Column("indicator_id", "text", "the indicator", key=True, sensitivity=REFERENCE),
    Column("period_start", "date", "first day of the period", sensitivity=REFERENCE),
    Column("period_end", "date", "first day after the period", key=True, sensitivity=REFERENCE),
    Column("value", "number", "value; missing where withheld", sensitivity=REFERENCE),
    Column("numerator", "number", "numerator", lowest=0, sensitivity=REFERENCE),
    Column("denominator", "number", "denominator", lowest=0, sensitivity=REFERENCE),
    Column("se", "number", "standard error", lowest=0, sensitivity=REFERENCE),
    coded("status", "whether the value is given", {"ok": "given", "withheld": "withheld by its publisher"},
          required=True, sensitivity=REFERENCE),
), one_value=("ward_vintage",))  # fmt: skip

SOURCE_RECEIPT = Table("source_receipt", "what was received of one source for one month", (
    Column("source", "text", "the source: a table of this model", key=True, sensitivity=REFERENCE),
    Column("month", "date", "first day of the month", key=True, month=True, sensitivity=REFERENCE),
    Column("received", "boolean", "the month was delivered", required=True, sensitivity=REFERENCE),
    Column("n_rows", "integer", "rows delivered", lowest=0, sensitivity=REFERENCE),
    Column("expected_rows", "number", "rows expected", lowest=0, sensitivity=REFERENCE),
    Column("first_date", "date", "earliest date in it", sensitivity=REFERENCE),
    Column("last_date", "date", "latest date in it", sensitivity=REFERENCE),
))  # fmt: skip

UNIT_COST = Table("unit_cost", "what one unit of a service costs", (
    Column("service", "text", "the service", key=True, sensitivity=REFERENCE),
    Column("year", "integer", "financial year that begins in this year", key=True, lowest=2000, highest=2100,
           sensitivity=REFERENCE),
    Column("mean", "number", "mean cost in pounds", required=True, lowest=0, sensitivity=REFERENCE),
    Column("se", "number", "standard error of the mean", lowest=0, sensitivity=REFERENCE),
))  # fmt: skip

REFERENCE_RATE = Table("reference_rate", "the rate of a reference population at one age and sex", (
    Column("rate_id", "text", "which rate, for example all-cause mortality England 2021-25", key=True,
           sensitivity=REFERENCE),
    Column("sex", "text", "sex", values={"F": "female", "M": "male"}, key=True, sensitivity=REFERENCE),
    Column("age", "integer", "lower edge of the age band, years", key=True, lowest=0, highest=120,
           sensitivity=REFERENCE),
    Column("rate", "number", "events per person-year", required=True, lowest=0, sensitivity=REFERENCE),
))  # fmt: skip

PLACES = (AREA_LOOKUP, AREA_POPULATION, WARD_INDICATOR, SOURCE_RECEIPT, UNIT_COST, REFERENCE_RATE)

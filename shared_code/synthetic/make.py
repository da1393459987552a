"""Make a whole site: simulate, write the extract in the site's shape, and write down the truth beside it."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shared_code.config import Site
from shared_code.synthetic import planted
from shared_code.synthetic.admissions import frailty_records, make_admissions
from shared_code.synthetic.chance import stream
from shared_code.synthetic.conditions import draw_conditions, make_reference
from shared_code.synthetic.days import completed_years, day
from shared_code.synthetic.diagnoses import make_diagnoses
from shared_code.synthetic.groups import check_truth, group_truth, make_care
from shared_code.synthetic.hospital import make_hospital
from shared_code.synthetic.listing import make_listing
from shared_code.synthetic.mental_health import make_mental_health, remissions
from shared_code.synthetic.mortality import death_records, mid_years, population, simulate_deaths
from shared_code.synthetic.onset import followed, multimorbidity_onset, onset_days, second_onset
from shared_code.synthetic.people import local_numbers, make_people, pseudonyms
from shared_code.synthetic.places import make_places
from shared_code.synthetic.recording import with_recorded_days
from shared_code.synthetic.registrations import make_registrations, registered_on
from shared_code.synthetic.shapes import NUMBERED, SHAPES, WITH_HOSPITAL
from shared_code.synthetic.shapes.feeds import with_identifiers, write_feeds
from shared_code.synthetic.tables import ORDER, Facts, make_tables, with_hospital
from shared_code.synthetic.truth import CONDITION_COLUMNS, ConditionTruth, life_expectancies, planted_summary
from shared_code.synthetic.urgent_care import make_urgent_care

FEWEST_PEOPLE = 500
NOTES = {
    "conditions": "Over everybody alive and GMS-registered on the index date whose sex is F or M and who is old enough "
    "for the condition, age in completed years with the 15th as day of birth: people, expected number with the "
    "condition (sum of the planted probabilities, given each person's frailty), its variance, and cases drawn. "
    "Deprivation 1 = most deprived fifth. two_or_more and four_or_more count people of all ages.",
    "urgent_care": "Attendances at major departments: yearly rates are gamma distributed (shape, mean) and constant. effect: "
    "ratio of rates in the first effect_days after the start. expected_without: attendances the people of the service would "
    "have had in it; prevented: those that did not happen.",
    "emergency_admissions": "Of residents of 65 and over on each 1 April: the expected number (sum of planted chances) and the "
    "number drawn to be admitted as an emergency within 365 days; log odds of what was known that day, and the site's intercept. "
    "backdated: deficits entered after an admission of the last year, and dated before it.",
    "multimorbidity_onset": "Over people of known sex followed in the period from age 20 and 365 days of registration: the "
    "expected number who get their second condition in a band of attained age, its variance, and the expected days at risk "
    "(exact given each person's frailty and age), and the events and days drawn. Deprivation where they lived at entry.",
    "groups": "Over the same people: how many could belong (or could have had the care), and how many do, by Core20 and "
    "locality of the present address. The planted shares depend on Core20 alone.",
    "listing": "effect: what is left of appointments face to face, and how many remote ones come of one, while the policy is in "
    "force, for listed people and everybody else. Contacts with general practice do not change.",
    "life_expectancy": "Planted: e0 and e65 in years from the planted rates; the hazard ratio at an age is the mean of "
    "the areas' ratios, weighted by their person-years in the age band. person_years: sum of the mid-year populations. "
    "days_lived, expected_deaths (planted hazard over the days lived) and deaths: people of known sex, all deaths of "
    "the period, whenever registered.",
}


def make_extract(site: Site, people: int, folder: Path, index_date: dt.date = dt.date(2026, 4, 1),
                 period_start: dt.date = dt.date(2021, 4, 1)) -> None:  # fmt: skip
    """Write a demonstration site's extract and `truth.json` into a folder, replacing it as a whole.

    people   rows of `person`: everybody who lived there at some time in [period_start, index_date)
    The same seed and number of people give the same bytes. Raises ValueError for a site that is not made up or
    for fewer than 500 people.
    """
    if site.demonstration is None:
        raise ValueError(f"{site.site} has no demonstration settings: only made-up sites can be made")
    if people < FEWEST_PEOPLE:
        raise ValueError(f"{people} people are too few for a made-up site: at least {FEWEST_PEOPLE}")
    settings = site.demonstration
    if settings.hospital and settings.shape not in WITH_HOSPITAL:
        raise ValueError(f"the shape {settings.shape} has no hospital with identifiers: only {', '.join(WITH_HOSPITAL)} have")
    if settings.recorded_dates and settings.shape != "spss":
        raise ValueError(f"the shape {settings.shape} delivers no days on which diagnoses were written down: only spss does")
    facts, truth = simulate(site, people, index_date, period_start)
    numbered = settings.shape in NUMBERED or settings.hospital
    identifiers = (local_numbers if numbered else pseudonyms)(settings.seed, people)
    tables = make_tables(facts, identifiers)
    if settings.hospital:
        hospital = make_hospital(facts.people, facts.places, facts.diagnoses, settings.seed, day(index_date),
                                 settings.hospital == "episodes")  # fmt: skip
        tables = with_hospital(tables, facts, hospital, settings.seed)
        meant = [int(identifiers[row]) if row >= 0 else None for row in hospital.meant]
        rows = zip(hospital.records["record"], meant, (e.strip() for e in hospital.errors), strict=True)
        truth["linkage"] = {"hospital": {"columns": ["record", "person", "errors"], "rows": [list(row) for row in rows]},
                            "superseded": len(hospital.superseded)}  # fmt: skip
    tables = {name: table for name, table in tables.items() if name not in settings.lacks}
    feeds = {name: with_identifiers(table, identifiers) for name, table in facts.feeds.items() if name not in settings.lacks}
    truth["rows"] = {name: len(table) for name, table in (tables | feeds).items() if name in (*ORDER, *feeds)}
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        SHAPES[settings.shape](tables, partial, settings.seed, site.extract_date)
        write_feeds(feeds, partial)
        text = json.dumps(truth, ensure_ascii=False, separators=(",", ":"))
        (partial / "truth.json").write_text(text.replace('],["', '],\n["') + "\n", encoding="utf-8")
        partial.chmod(0o755)
        _replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(partial: Path, folder: Path) -> None:
    """Put the finished folder in place of an earlier one."""
    if folder.exists():
        old = partial.with_name(partial.name + ".old")
        folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old)
    else:
        partial.rename(folder)


def simulate(site: Site, people: int, index_date: dt.date, period_start: dt.date) -> tuple[Facts, dict[str, Any]]:
    """Simulate a site: the facts, and what is true of them."""
    settings = site.demonstration
    assert settings is not None, "make_extract refuses sites that are not made up"
    start, end = day(period_start), day(index_date)
    places = make_places(site, people)
    persons = make_people(site, places, people, start, end)
    exposure = simulate_deaths(persons, places, settings.seed, start, end)
    deaths = death_records(persons, settings.seed)
    spells = make_registrations(persons, settings.seed, start, end)
    counted = population(persons, places, mid_years(period_start, index_date))
    reference = make_reference(persons, places, settings.seed, end)
    registered = registered_on(spells, people, end)
    alive = persons.death > end if "death" not in settings.lacks else np.ones(people, dtype=bool)
    truth = ConditionTruth(
        registered & alive & (persons.recorded_sex < 2), completed_years(persons.birth, end), persons.sex,
        reference.quintile, persons.group, places.ward[persons.area], [str(code) for code in places.ward_cd],
    )  # fmt: skip
    rows, columns = [], []
    for chunk, has, chances in draw_conditions(reference, settings.seed):
        truth.add(chunk, has, chances)
        found, which = np.nonzero(has)
        rows.append(found + chunk.start)
        columns.append(which)
    row, column = np.concatenate(rows), np.concatenate(columns)
    chance = stream(settings.seed, "onset").random(len(row))
    began = onset_days(persons.birth[row], reference.until[row], column, chance)
    diagnoses = make_diagnoses(persons, reference, (row, column), began, settings.seed)
    onset = multimorbidity_onset(persons, places, reference, followed(persons, spells, start, end),
                                 second_onset(row, began, people))  # fmt: skip
    urgent = make_urgent_care(persons, places, settings.seed, start, end)
    care = make_care(persons, places, (row, column), settings.seed, end)
    listing = make_listing(persons, (row, column), began, settings.seed, start, end)
    frail = frailty_records(persons, settings.seed, end)
    more = (urgent.records, care.records, frail)
    diagnoses = {name: np.concatenate([values, *(records[name] for records in more)]) for name, values in diagnoses.items()}
    stays = make_admissions(persons, places, diagnoses, settings.seed, start, end)
    died = np.zeros((len(places.lsoa21), 2), dtype=np.int64)
    known = deaths["row"][persons.recorded_sex[deaths["row"]] < 2]
    np.add.at(died, (persons.area[known], persons.sex[known]), 1)
    ill = column == list(planted.CONDITIONS).index(planted.DEADLY)
    spells_of_all, contacts, mental = make_mental_health(persons, places, row[ill], began[ill], settings.seed, start, end,
                                                         stays.spells, urgent.feeds["mh_contact"])  # fmt: skip
    again = remissions(persons, diagnoses, row[ill], settings.seed)
    diagnoses = {name: np.concatenate([values, again[name]]) for name, values in diagnoses.items()}
    backdated = 0
    if settings.recorded_dates:
        diagnoses, backdated = with_recorded_days(diagnoses, persons, stays.spells, settings.seed, end)
    seen = pd.concat([urgent.feeds["outpatient"], listing.feeds["outpatient"]], ignore_index=True)
    seen["appt_id"] = np.arange(1, len(seen) + 1)
    feeds = {"admission": spells_of_all, **urgent.feeds, **listing.feeds, "outpatient": seen, "measurement": care.measurements,
             "mh_contact": contacts}  # fmt: skip
    facts = Facts(persons, places, spells, diagnoses, deaths, counted, feeds)
    return facts, {
        "site": site.site, "seed": settings.seed, "people": people,
        "index_date": index_date.isoformat(), "period": [period_start.isoformat(), index_date.isoformat()],
        "rows": {}, "notes": NOTES | ({"no_deaths": "The site delivers no deaths, so people whose registration was "
                                       "never closed after their death count as alive."}
                                      if "death" in settings.lacks else {}),
        "planted": planted_summary(places),
        "life_expectancy": life_expectancies(places, counted, exposure, died),
        "conditions": {"columns": CONDITION_COLUMNS, "rows": list(truth.rows())}, "multimorbidity_onset": onset,
        "urgent_care": urgent.truth,
        "groups": group_truth(care, truth.members, places, persons),
        "emergency_admissions": stays.truth | ({"backdated": backdated} if settings.recorded_dates else {}),
        "listing": listing.truth,
        "severe_mental_illness": mental | check_truth(care, truth.members),
    }  # fmt: skip

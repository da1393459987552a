"""What is known of older people on a day, and who is admitted as an emergency afterwards: nothing is read from after that day.

A record counts only where both its own date and the date on which it was made lie before the day: codes that were entered
later, though dated earlier, would tell the outcome.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from shared_code.config.codelists import Codelist
from shared_code.measures.cohort import registered
from shared_code.measures.groups import with_core20
from shared_code.measures.moments import moments_of
from shared_code.measures.palliative import in_palliative_care
from shared_code.measures.prepared import Prepared
from shared_code.measures.spells import NEVER, day_number, days_since_1970, death_days, registration_spells
from shared_code.methods.frailty import frailty_band, frailty_index, hospital_frailty, hospital_frailty_band
from shared_code.model import ALL, Problem, Refused, band_labels
from shared_code.model.care import EMERGENCY_METHODS, TO_HOSPITAL

YEAR = 365
MOST_MOVED = 0.03  # share of people who may leave within the horizon and be left out; above, they would bias the risk


def emergency_stays(prepared: Prepared, since: dt.date, until: dt.date) -> pd.DataFrame:
    """List emergency stays that begin in [since, until): person_id, day (since 1970-01-01).

    A spell that continues another (it begins no later than the day after a discharge to another hospital) is part of that
    stay, not a new one. Source: methods specification, 0.2.
    """
    spells = prepared.admission.select("person_id", "admi_date", "disch_date", "admimeth", "discharge_dest").execute()
    spells["begin"], spells["finish"] = days_since_1970(spells["admi_date"]), days_since_1970(spells["disch_date"])
    spells = spells.sort_values(["person_id", "begin", "finish"], ignore_index=True)
    before = spells.shift()
    same = spells["person_id"].eq(before["person_id"])
    moved = before["discharge_dest"].isin(TO_HOSPITAL) | spells["admimeth"].eq("2B")
    goes_on = same & moved & (spells["begin"] <= before["finish"].fillna(-1) + 1)
    urgent = spells["admimeth"].isin(EMERGENCY_METHODS) & ~goes_on
    inside = urgent & (spells["begin"] >= day_number(since)) & (spells["begin"] < day_number(until))
    return spells.loc[inside, ["person_id", "begin"]].rename(columns={"begin": "day"}).reset_index(drop=True)


def known_before(prepared: Prepared, on: dt.date) -> ir.Table:
    """Give the diagnoses that were dated and recorded before a day, family history left out."""
    day = ibis.literal(on.isoformat()).cast("date")
    events = prepared.condition_event
    made = events.recorded_date.fill_null(events.event_date)
    return events.filter(events.event_date < day, made < day, events.status.isnull() | (events.status != "family"))


def frailty(prepared: Prepared, deficits: Codelist, on: dt.date, months: int = 24) -> pd.DataFrame:
    """Score the frailty of everybody with any record, from what was known before a day.

    Columns: person_id, deficits (different ones of the list), efi35 (their share of 35: medicines are not held), frailty
    (fit, mild, moderate or more), hospital_points and hospital_frailty (low; raised, 5 and over) from the hospital's ICD-10
    diagnoses of the look-back of 24 months, which ends before the day, so that no admission to be predicted is in it.
    """
    events = known_before(prepared, on)
    recorded = events.select("code_system", "code").distinct().execute()
    matches = deficits.matches(sorted(recorded.itertuples(index=False, name=None)))
    meaning = pd.DataFrame(matches, columns=["code_system", "code", "deficit"])
    pairs = events.select("person_id", "code_system", "code").distinct().execute().merge(meaning, on=["code_system", "code"])
    number = pairs.drop_duplicates(["person_id", "deficit"]).groupby("person_id").size()
    year, month = divmod(on.year * 12 + on.month - 1 - months, 12)
    since = ibis.literal(dt.date(year, month + 1, min(on.day, 28)).isoformat()).cast("date")
    hospital = events.filter(events.source == "APC", events.code_system == "ICD10", events.event_date >= since)
    codes = hospital.select("person_id", "code").distinct().execute()
    points = codes.groupby("person_id")["code"].agg(hospital_frailty)
    found = pd.DataFrame({"deficits": number, "hospital_points": points}).fillna(0).rename_axis("person_id").reset_index()
    found["efi35"] = frailty_index(found["deficits"], medicines_held=False)
    found["frailty"] = pd.Series(frailty_band(found["efi35"]), index=found.index).replace({"severe": "moderate"})
    found["hospital_frailty"] = pd.Series(hospital_frailty_band(found["hospital_points"]), index=found.index)
    found["hospital_frailty"] = found["hospital_frailty"].replace({"intermediate": "raised", "high": "raised"})
    return found


def admission_risk(prepared: Prepared, deficits: Codelist, on: dt.date, *, youngest: int = 65, horizon: int = YEAR,
                   palliative: Codelist | None = None, outcome: bool = True) -> pd.DataFrame:  # fmt: skip
    """Put together what is known on a day of everybody of an age and over, and who is then admitted as an emergency.

    palliative  codelist of palliative care: people in it are left out (None: nobody is)     outcome  False: only what is known,
    for a list of today
    One row a person registered for 365 days: person_id, practice, age, sex, core20, deprivation, ethnicity, care_home,
    emergency (stays in the 365 days before), frailty and the scores of `frailty`, and outcome (1: a stay in [on, on +
    horizon); dying before one is none). Who leaves the area within the horizon is left out; raises model.Refused when
    these are 3 % or more, for then the others are a selection. Source: methods specification, section 6.
    """
    people = _cohort(prepared, on, youngest, palliative)
    scores = frailty(prepared, deficits, on)
    people = people.merge(scores, on="person_id", how="left")
    nothing: dict[str, Any] = {"deficits": 0, "hospital_points": 0.0, "efi35": 0.0, "frailty": "fit", "hospital_frailty": "low"}
    people = people.fillna(nothing)
    before = emergency_stays(prepared, on - dt.timedelta(days=YEAR), on).groupby("person_id").size()
    people["emergency"] = people["person_id"].map(before).fillna(0).astype(int)
    if not outcome:
        return people.drop(columns="leave")
    end = on + dt.timedelta(days=horizon)
    admitted = people["person_id"].isin(emergency_stays(prepared, on, end)["person_id"])
    gone = (people["leave"] < day_number(end)) & ~admitted
    if gone.mean() >= MOST_MOVED:
        wrong = f"{gone.mean():.1%} of the people leave within the horizon without an admission or death"
        mend = "Weight by the inverse chance of staying (methods, section 6), or check gp_registration.reg_end"
        raise Refused("The cohort", [Problem("gp_registration", wrong, f"fewer than {MOST_MOVED:.0%}", mend)])
    return people.assign(outcome=admitted.astype(int))[~gone].drop(columns="leave").reset_index(drop=True)


def _cohort(prepared: Prepared, on: dt.date, youngest: int, palliative: Codelist | None) -> pd.DataFrame:
    """List who is in, with the day on which their registration ends for another reason than death."""
    people = with_core20(registered(prepared, on))
    care_home = prepared.person.select("person_id", care_home=prepared.person.carehome_flag)
    people = people.filter(people.age >= youngest).inner_join(care_home, "person_id").execute()
    spells = registration_spells(prepared)
    spells = spells[(spells["begin"] <= day_number(on) - YEAR) & (spells["finish"] > day_number(on))]
    people = people[people["person_id"].isin(spells["person_id"])].reset_index(drop=True)
    if palliative is not None:
        dying = in_palliative_care(known_before(prepared, on), palliative, on)
        people = people[~people["person_id"].isin(dying)].reset_index(drop=True)
    people["leave"] = people["person_id"].map(spells.set_index("person_id")["finish"])
    died = people["person_id"].map(death_days(prepared))
    people.loc[died <= people["leave"], "leave"] = NEVER  # a death is an end of the risk, not a move
    people["practice"] = people["person_id"].map(_practice(prepared, on))
    people["care_home"] = np.where(people["care_home"].eq(True), "yes", "no")
    return people.drop(columns=["decile", "locality", "ward"], errors="ignore")


def _practice(prepared: Prepared, on: dt.date) -> pd.Series:
    """Give the practice with which each person is permanently registered on a day."""
    day = ibis.literal(on.isoformat()).cast("date")
    table = prepared.gp_registration
    table = table.filter(table.reg_type == "GMS", table.reg_start <= day, table.reg_end.isnull() | (table.reg_end > day))
    found = table.select("person_id", "practice_code", "reg_start").execute().sort_values(["reg_start", "practice_code"])
    return found.drop_duplicates("person_id", keep="last").set_index("person_id")["practice_code"]


def judged(people: pd.DataFrame, risk: np.ndarray, act_at: float) -> pd.DataFrame:
    """Add the groups by which a prediction is judged: `flagged` (at the risk from which one acts: yes, no) and `ethnic`.

    people  from `admission_risk`     risk  predicted, 0 to 1     act_at  per cent
    ethnic: White, or other (another recorded group, or none recorded). Few people of 65 and over belong to one of the others, and
    who has no group recorded is never counted as White.

    >>> two = pd.DataFrame({"ethnicity": ["White", "Unknown"]})
    >>> judged(two, np.array([0.2, 0.19]), 20)[["flagged", "ethnic"]].values.tolist()
    [['yes', 'White'], ['no', 'other']]
    """
    return people.assign(flagged=np.where(np.asarray(risk) >= act_at / 100, "yes", "no"),
                         ethnic=np.where(people["ethnicity"].eq("White"), "White", "other"))  # fmt: skip


def risk_sums(people: pd.DataFrame, risk: np.ndarray, edges: list[int], levels: dict[str, dict[str, str] | None],
              sets: list[list[str]]) -> pd.DataFrame:  # fmt: skip
    """Sum predicted risks over everybody and over those with the outcome, by band of risk and group (the layout `moments`).

    people  from `admission_risk`     risk  predicted, 0 to 1     edges  lower edges of the bands, per cent
    Of the quantity `risk` people, sum and sum of squares are n, sum p and sum p^2; of `risk_of_cases` people and sum are the
    number of cases and sum p y. Nothing else is needed for calibration, discrimination and decision curves of all sites.
    """
    labels = np.array(band_labels(edges), dtype=object)
    # sorted by where the risk lies among the edges; a risk on an edge belongs to the band that begins there
    frame = people.assign(band=labels[np.searchsorted(np.array(edges) / 100, risk, side="right") - 1], _p=risk)
    totals = [name for name in levels if name != "quantity"]
    parts = []
    for quantity, rows in (("risk", frame), ("risk_of_cases", frame[frame["outcome"] == 1])):
        for group in sets:
            if any(name not in frame for name in group):
                continue
            grid = pd.MultiIndex.from_product([list(levels[name] or []) for name in group], names=group) if group else None
            cells = {} if grid is None else dict(iter(rows.groupby(group[0] if len(group) == 1 else group)))
            for key in [()] if grid is None else grid:
                own = rows if grid is None else cells.get(key[0] if len(group) == 1 else key, rows.iloc[:0])
                where = dict.fromkeys(totals, ALL) | dict(zip(group, key))
                parts.append({"quantity": quantity, **where, **moments_of(own["_p"])})
    return pd.DataFrame(parts)


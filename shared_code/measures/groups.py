"""Groups of people by what is recorded of them, and shares among those whom a question concerns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from itertools import product

import ibis
import ibis.expr.types as ir
import pandas as pd

from shared_code.config.codelists import Codelist
from shared_code.config.plan import Plan
from shared_code.measures.cohort import band, conditions_present, recorded_codes, with_meaning
from shared_code.measures.moments import moments_of
from shared_code.measures.prepared import Prepared
from shared_code.measures.spells import day_number, days_since_1970
from shared_code.model import ALL, UNKNOWN
from shared_code.model.care import CORE20_DECILES

INSIDE, REST = "core20", "rest"
PRESSURE = "^[0-9]{2,3}/[0-9]{2,3}$"
HIGHEST_PRESSURE = {0: (140, 90), 80: (150, 90)}  # mm Hg below which treatment is to target, from this age on (NICE NG136)


def with_core20(people: ir.Table, deciles: int = CORE20_DECILES) -> ir.Table:
    """Say of registered people whether they live in the most deprived fifth of small areas of the country (Core20).

    people  as `registered` gives them     deciles  how many of the ten count as most deprived (2)
    Adds `core20`: core20, rest or Unknown. A local fifth is not Core20: `decile` is the national one. Where the site knows no
    areas, the column is absent, as `decile` is.
    """
    if "decile" not in people.columns:
        return people
    inside = people.decile.isin([str(d) for d in range(1, deciles + 1)])
    return people.mutate(core20=ibis.cases((people.decile == UNKNOWN, UNKNOWN), (inside, INSIDE), else_=REST))


def broad_groups(people: pd.DataFrame) -> pd.DataFrame:
    """Add groups broad enough to be broken out by another: `core20` (where fifths are known) and `background`.

    people  with the columns ethnicity and, where the site records addresses, deprivation (fifths)
    core20: core20, or rest (all other areas, and areas not known: the two hold everybody); background: White, minority (any
    other known group) or Unknown.

    >>> people = pd.DataFrame({"ethnicity": ["White", "Other"], "deprivation": ["1", "Unknown"]})
    >>> broad_groups(people)[["background", "core20"]].values.tolist()
    [['White', 'core20'], ['minority', 'rest']]
    """
    kept = ("White", UNKNOWN)
    found = people.assign(background=people["ethnicity"].where(people["ethnicity"].isin(kept), "minority"))
    if "deprivation" in people:
        found["core20"] = core20_of_fifths(people["deprivation"]).replace(UNKNOWN, REST)
    return found


def core20_of_fifths(fifths: pd.Series) -> pd.Series:
    """Turn national fifths of deprivation ("1" = most deprived) into core20, rest or Unknown.

    >>> core20_of_fifths(pd.Series(["1", "4", "Unknown"])).tolist()
    ['core20', 'rest', 'Unknown']
    """
    return fifths.map({"1": INSIDE, UNKNOWN: UNKNOWN}).fillna(REST)


def with_age_bands(people: ir.Table, edges: list[int]) -> ir.Table:
    """Put the band of age in the place of the age of registered people; those below the first edge are left out."""
    return people.filter(people.age >= edges[0]).mutate(age=band(people.age, edges))


def codes_recorded(prepared: Prepared, codelist: Codelist, since: dt.date | None, until: dt.date) -> ir.Table:
    """List who has a code of each item of a list dated in [since, until): person_id, condition, first, latest.

    since  None: ever before     Family history does not count.
    """
    matched = _coded(prepared, codelist, since, until)
    return matched.group_by("person_id", "condition").agg(first=matched.event_date.min(), latest=matched.event_date.max())


def _coded(prepared: Prepared, codelist: Codelist, since: dt.date | None, until: dt.date) -> ir.Table:
    """List every record of an item of a list dated in [since, until): person_id, condition, event_date."""
    events = prepared.condition_event
    events = events.filter(events.event_date < _day(until), events.status.isnull() | (events.status != "family"))
    if since is not None:
        events = events.filter(events.event_date >= _day(since))
    matched = with_meaning(events, codelist.matches(recorded_codes(events)))
    return matched.select("person_id", "condition", "event_date")


def both_definitions(prepared: Prepared, codelist: Codelist, on: dt.date, recent: Mapping[str, int]) -> ir.Table:
    """List who has conditions by both definitions: as `conditions_present`, and `two_or_more_active` besides.

    recent  condition -> days; by the definition `active` these count only where their latest code is so recent
    """
    active = conditions_present(prepared, codelist, on, recent)
    active = active.filter(active.condition == "two_or_more").mutate(condition=ibis.literal("two_or_more_active"))
    return conditions_present(prepared, codelist, on).union(active)


def with_code(recorded: ir.Table, *items: str) -> ir.Table:
    """List the people who have a code of any of some items: person_id."""
    return recorded.filter(recorded.condition.isin(list(items))).select("person_id").distinct()


def checked(prepared: Prepared, concepts: Collection[str], since: dt.date, until: dt.date) -> ir.Table:
    """List who had every one of some checks in [since, until), person by person: person_id.

    Declined is not done. All checks of one person are asked for: shares of single checks do not multiply.
    """
    done = prepared.measurement
    done = done.filter(done.concept.isin(list(concepts)), done.date >= _day(since), done.date < _day(until), ~done.declined)
    number = done.select("person_id", "concept").distinct().group_by("person_id").agg(checks=ibis._.count())
    return number.filter(number.checks == len(set(concepts))).select("person_id")


def missing_together(prepared: Prepared, people: ir.Table, kinds: Mapping[str, Collection[str]], since: dt.date, until: dt.date,
                     levels: Mapping[str, str]) -> pd.DataFrame:  # fmt: skip
    """Count who lacks which kinds of check in [since, until) together (layout `counts`, dimension missing).

    people  person_id     kinds  kind -> its checks; who lacks any of them lacks the kind. Declined is not done.
    levels  the combinations: none, or kinds in the order of `kinds` joined by _ (blood_habits). Everybody is in just one.
    """
    every = people.select("person_id").execute()["person_id"]
    found = pd.Series("", index=every.index)
    for kind, concepts in kinds.items():
        lacks = ~every.isin(checked(prepared, concepts, since, until).execute()["person_id"])
        found = found.where(~lacks, found + "_" + kind)
    number = found.str.removeprefix("_").replace("", "none").value_counts().reindex(list(levels), fill_value=0)
    return pd.DataFrame({"missing": number.index, "people": len(every), "cases": number.to_numpy(dtype="int64")})


def treated_to_target(prepared: Prepared, people: ir.Table, since: dt.date, until: dt.date) -> ir.Table:
    """List who has a latest blood pressure in [since, until) below the limit for their age: person_id.

    people  person_id and age (years)    Limits: below 140/90 mm Hg, from age 80 below 150/90 (NICE NG136). Values are
    written 132/78; any other value decides nothing. Nobody without a reading in this time is to target.
    """
    read = prepared.measurement
    read = read.filter(read.concept == "bp", read.date >= _day(since), read.date < _day(until), ~read.declined,
                       read.value.re_search(PRESSURE))  # fmt: skip
    written = ibis.ifelse(read.value.re_search(PRESSURE), read.value, "0/0")  # an engine may cast before it filters
    place = written.find("/")
    read = read.mutate(upper=written.substr(0, place).cast("int64"), lower=written.substr(place + 1).cast("int64"))
    latest_first = ibis.window(group_by="person_id", order_by=[ibis.desc("date"), ibis.desc("meas_id")])
    latest = read.mutate(_place=ibis.row_number().over(latest_first)).filter(lambda t: t._place == 0)
    latest = latest.select("person_id", "upper", "lower").inner_join(people.select("person_id", "age"), "person_id")
    limits = sorted(HIGHEST_PRESSURE.items(), reverse=True)
    below = [(latest.age >= age, (latest.upper < high) & (latest.lower < low)) for age, (high, low) in limits]
    return latest.filter(ibis.cases(*below, else_=False)).select("person_id")


def read_again(prepared: Prepared, since: dt.date, until: dt.date, within: int = 91) -> tuple[ir.Table, ir.Table]:
    """List who had a high blood pressure in [since, until - within), and who of these was measured again soon: two person_id.

    High: 140/90 mm Hg or above in either number. Soon: another reading 1 to `within` days after the first high one; whether it
    is lower does not matter. The last `within` days start nobody, for their time to be measured again is not over.
    """
    read = prepared.measurement
    read = read.filter(read.concept == "bp", read.date >= _day(since), read.date < _day(until), ~read.declined,
                       read.value.re_search(PRESSURE)).select("person_id", "date", "value").execute()  # fmt: skip
    numbers = read["value"].str.split("/", expand=True).reindex(columns=[0, 1]).astype(float)
    read["day"] = days_since_1970(read["date"])
    upper, lower = HIGHEST_PRESSURE[0]
    high = read[(numbers[0] >= upper) | (numbers[1] >= lower)]
    first = high[high["day"] < day_number(until) - within].groupby("person_id")["day"].min()
    after = read["day"] - read["person_id"].map(first)
    again = read.loc[(after > 0) & (after <= within), "person_id"].unique()
    schema = ibis.schema({"person_id": "string"})
    return tuple(ibis.memtable(pd.DataFrame({"person_id": pd.Series(list(ids), dtype=object)}), schema=schema)
                 for ids in (first.index, again))  # type: ignore[return-value]  # fmt: skip


def number_of_checks(prepared: Prepared, people: ir.Table, concepts: Collection[str], since: dt.date, until: dt.date, group: str,
                     levels: Mapping[str, str]) -> pd.DataFrame:  # fmt: skip
    """Add up how many of some checks each person had in [since, until), in all and by one group (layout `moments`).

    people  person_id and the group, a column     levels  of the group     Dimension quantity: checks. Declined is not done.
    """
    done = prepared.measurement
    done = done.filter(done.concept.isin(list(concepts)), done.date >= _day(since), done.date < _day(until), ~done.declined)
    number = done.select("person_id", "concept").distinct().group_by("person_id").agg(checks=ibis._.count())
    counted = people.select("person_id", group).left_join(number, "person_id").select(group, "checks").execute()
    counted["checks"] = counted["checks"].fillna(0)
    parts = []
    for level in [ALL, *levels]:
        values = counted.loc[(counted[group] == level) | (level == ALL), "checks"]
        parts.append({"quantity": "checks", group: level, **moments_of(values)})
    return pd.DataFrame(parts)


def in_thirds_of_need(people: ir.Table) -> ir.Table:
    """Say where registered people live, in three groups: `place` is core20, middle (fifths 2, 3), least (4, 5) or Unknown.

    people  with `deprivation`, the national fifth; where the site knows no areas, the column is absent, as `deprivation` is
    """
    if "deprivation" not in people.columns:
        return people
    fifth = people.deprivation
    place = ibis.cases((fifth == UNKNOWN, UNKNOWN), (fifth == "1", INSIDE), (fifth.isin(["2", "3"]), "middle"), else_="least")
    return people.mutate(place=place)


def soon_enough(prepared: Prepared, codelist: Codelist, item: str, before: ir.Table, days: int, at_most: int) -> ir.Table:
    """List who had a code of an item at least `days` and at most `at_most` days before another day of theirs: person_id.

    before  person_id, day     at_most  days before that day beyond which a code belongs to something earlier, such as
    another pregnancy: that there was one does not make this one late
    """
    codes = _coded(prepared, codelist, None, dt.date.max)
    both = codes.filter(codes.condition == item).inner_join(before, "person_id")
    apart = both.day.delta(both.event_date, unit="day")
    return both.filter(apart >= days, apart <= at_most).select("person_id").distinct()


def together(parts: Mapping[str, ir.Table], unions: Mapping[str, Sequence[str]] | None = None) -> ir.Table:
    """Stack groups of people, and unions of them, in one table: person_id, item; each person once per item.

    parts  item -> table with person_id     unions  item -> items it is the union of
    """
    rows = {name: table.select("person_id").distinct() for name, table in parts.items()}
    for name, members in (unions or {}).items():
        rows[name] = reduce(lambda a, b: a.union(b), [rows[member] for member in members]).distinct()
    return reduce(lambda a, b: a.union(b), [table.mutate(item=ibis.literal(name)) for name, table in rows.items()])


def count_shares(people: ir.Table, eligible: ir.Table, cases: ir.Table, item: str, levels: Mapping[str, Mapping[str, str] | None],
                 sets: Sequence[Sequence[str]]) -> pd.DataFrame:  # fmt: skip
    """Count, per item, the people whom it concerns, and how many of these are cases, over every set of dimensions.

    people    one row per person: person_id and a column per dimension
    eligible  (person_id, item): whom an item concerns     cases  (person_id, item); who is not eligible does not count
    item      name of the item's column in the result      levels  dimension -> codes (None: the site's own)
    sets      which dimensions are broken out together; all of them have a total
    A set that needs a column the site lacks is left out. Returns the layout `counts`, zeros included.
    """
    totals = [name for name in levels if name != item]
    named = eligible.select("person_id", "item").distinct().inner_join(people, "person_id")
    hit = cases.select("person_id", "item").distinct().mutate(case=ibis.literal(1))
    joined = named.left_join(hit, ["person_id", "item"])
    joined = joined.mutate(case=joined.case.fill_null(0))
    parts = []
    with joined.cache() as everyone:
        for group in sets:
            if any(name not in everyone.columns for name in group):
                continue
            found = everyone.group_by(["item", *group]).agg(people=everyone.count(), cases=everyone.case.sum()).execute()
            codes = {name: list(levels[name] or sorted(people.select(name).distinct().execute()[name])) for name in group}
            grid = pd.DataFrame(product(levels[item] or {}, *codes.values()), columns=["item", *group])
            part = grid.merge(found, "left", ["item", *group])
            part[["people", "cases"]] = part[["people", "cases"]].fillna(0).astype("int64")
            parts.append(part.assign(**{name: ALL for name in totals if name not in group}))
    table = pd.concat(parts, ignore_index=True).rename(columns={"item": item})
    return table[[*levels, "people", "cases"]]


def count_table(plan: Plan, table: str, people: ir.Table, eligible: ir.Table, cases: ir.Table) -> pd.DataFrame:
    """Count shares as a results table declares them: its first dimension is the item, the others and their sets as declared.

    people, eligible, cases  as in `count_shares`
    """
    declared = plan.results(table)
    levels = {name: plan.levels(table, name) for name in declared.dimensions}
    return count_shares(people, eligible, cases, next(iter(levels)), levels, declared.sets)


def _day(date: dt.date) -> ir.DateValue:
    return ibis.literal(date.isoformat()).cast("date")

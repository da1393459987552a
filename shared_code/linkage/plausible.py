"""Links that cannot all be right: two deaths, care after death, care in two places on one day (specification, 12.6).

A false link brings facts of two people together, so these counts grow with false links; each needs dates or providers
that sources may not deliver, and says how many it could look at.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

CHECKS = {
    "two_deaths": "people with two different dates of death",
    "after_death": "records of care after the person's earliest date of death",
    "two_places": "records of care on the same day as another one of the same person at another organisation",
}


def implausible(connection: Any, seen: str) -> pd.DataFrame:
    """Count what cannot be: columns check, source, records, of.

    seen  table of the engine with person_id, source, is_index, seen_on, provider, death_date; one row a record that is
          linked or a person of the index. For deaths the source is "all" and people are counted
    """
    people = connection.execute(f"""SELECT 'two_deaths' AS "check", 'all' AS source,
        count(*) FILTER (dates > 1)::BIGINT AS records, count(*)::BIGINT AS "of" FROM (SELECT count(DISTINCT death_date) AS dates
        FROM {seen} WHERE death_date IS NOT NULL GROUP BY person_id)""").df()
    after = connection.execute(f"""SELECT 'after_death' AS "check", source, count(*) FILTER (seen_on > died)::BIGINT AS records,
        count(*)::BIGINT AS "of" FROM {seen} JOIN (SELECT person_id, min(death_date) AS died FROM {seen}
        WHERE death_date IS NOT NULL GROUP BY person_id) USING (person_id)
        WHERE seen_on IS NOT NULL AND NOT is_index GROUP BY source ORDER BY source""").df()
    places = connection.execute(f"""SELECT 'two_places' AS "check", source, count(*) FILTER (places > 1)::BIGINT AS records,
        count(*)::BIGINT AS "of" FROM (SELECT source, person_id, seen_on FROM {seen} WHERE NOT is_index
        AND seen_on IS NOT NULL AND provider IS NOT NULL) JOIN (SELECT person_id, seen_on, count(DISTINCT provider) AS places
        FROM {seen} WHERE NOT is_index AND seen_on IS NOT NULL AND provider IS NOT NULL GROUP BY person_id, seen_on)
        USING (person_id, seen_on) GROUP BY source ORDER BY source""").df()
    return pd.concat([people, after, places], ignore_index=True)

"""The page on which a site sees how its records were linked: steps, quality, and who is missed. It stays at the site."""

from __future__ import annotations

import html
import math
from typing import Any

import pandas as pd

from shared_code.linkage.counters import EVERYONE
from shared_code.linkage.nhs_number import REASONS
from shared_code.linkage.plausible import CHECKS
from shared_code.linkage.quality import wilson
from shared_code.linkage.settings import METHODS, REVIEW
from shared_code.reporting.words import number

WORDS = {"age": "Age", "sex": "Sex", "eth5": "Ethnic group", "imd5": "Fifth of deprivation (1 = most deprived)",
         "homeless": "Homeless or no fixed abode", "month": "Month"}  # fmt: skip
FEW = 10  # a rate of fewer records says nothing
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1d1d1b}
table{border-collapse:collapse;margin:1rem 0;width:100%}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border-bottom:1px solid #ccc;padding:.25rem .6rem;text-align:left;vertical-align:top}td.n,th.n{text-align:right}
.note{background:#f3f2ee;padding:.6rem 1rem}svg text{font:13px system-ui,sans-serif}"""


def linkage_page(title: str, report: dict[str, Any], counts: pd.DataFrame, made_up: bool = False) -> str:
    """Write the page of a site's linkage as one file without any network.

    report  what linkage.json holds        counts  linkage.parquet, see `linkage.counters`
    Every rate stands beside its denominator and its 95 % interval (Wilson). Small counts are shown: the page is private.
    """
    index = report["index"]
    parts = [
        f"<h1>How the records of {html.escape(title)} were linked</h1>",
        "<p class=note><b>This page stays at the site.</b> It shows small counts. Identifiers are nowhere in it."
        + (" The people are made up, and the pseudonym key is a demonstration key." if made_up else "") + "</p>",
        f"<p>Extract of {report['extract_date']}. The index holds <b>{_n(index['people'])} people</b> (version "
        f"{report['version']}; {_n(index['changed'])} new or changed). {_n(index['without_valid_number'])} rows of the register "
        f"have no valid NHS number, {_n(index['sharing_a_number'])} repeat the number of another row, and {_n(index['merges'])} "
        f"numbers were merged into others ({_n(index['new_merges'])} since the version before). Key {report['key_id']}, "
        f"linker version {report['linker_version']}.</p>",
    ]  # fmt: skip
    for name, found in report["sources"].items():
        parts += _source(name, found, counts[counts["source"] == name])
    parts.append(_table("What cannot be", ["Check", "Source", "Found", "Of"], [
        [CHECKS[row["check"]], row["source"], _n(row["records"]), _n(row["of"])] for row in report["implausible"]], 2))
    parts.append("<p>False links bring facts of two people together, so these counts grow with them; some are true oddities of "
                 "the records.</p>")  # fmt: skip
    body = "\n".join(parts)
    return (f"<!DOCTYPE html>\n<html lang=en-GB><head><meta charset=utf-8><meta http-equiv=Content-Security-Policy "
            f"content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>Linkage of {html.escape(title)}</title>"
            f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n")  # fmt: skip


def _source(name: str, found: dict[str, Any], counts: pd.DataFrame) -> list[str]:
    everyone = counts[counts["stratum"] == EVERYONE].iloc[0]
    linked, records, usable = found["linked"], found["records"], found["with_identifier"]
    steps = [[f"{m}: {METHODS[m]}", _n(found["methods"][m]), _share(found["methods"][m], records)] for m in METHODS]
    reasons = [[words, _n(found["reasons"].get(code, 0)), _share(found["reasons"].get(code, 0), records)]
               for code, words in {"valid": "valid", **REASONS}.items() if found["reasons"].get(code)]  # fmt: skip
    review = [[f"{reason}: {REVIEW.get(reason, '')}", _n(pairs)] for reason, pairs in found["review"].items()]
    parts = [
        f"<h2>{html.escape(name)} ({found['kind']})</h2>",
        f"<p><b>{_n(linked)} of {_n(usable)} records</b> with anything to link by were linked: {_rate(linked, usable)}. Of all "
        f"{_n(records)} records it is {_rate(linked, records)}. Records of people who are not in the index cannot be linked.</p>",
        _table("Linked by which step", ["Step", "Records", "Of all"], steps, 1),
        _table("NHS numbers as delivered", ["Number", "Records", "Of all"], reasons, 1),
    ]  # fmt: skip
    other = " and ".join(f"{_n(t['linked'])} at {t['accept']:g}" for t in found["thresholds"])
    parts.append(f"<p>Links by probability are made from {found['accept']:g}. With another threshold the records linked would be "
                 f"{other}.</p>")  # fmt: skip
    if review:
        parts.append(_table("Pairs for a person to look at (review.csv)", ["Reason", "Pairs"], review, 1))
    if found["checked"]:
        checked = found["checked"]
        parts.append(f"<p>Of {_n(checked['links'])} links of all weights that a person checked, weighted back to all links, "
                     f"{100 * checked['precision']:.1f} % are right (standard error {100 * checked['se']:.1f}).</p>")  # fmt: skip
    return parts + _quality(found, everyone, counts)


def _quality(found: dict[str, Any], everyone: pd.Series, counts: pd.DataFrame) -> list[str]:
    quality = found["quality"]
    if quality is None:
        return ["<p class=note>Too few records have a valid NHS number to measure the quality of the links.</p>"]
    right, wrong, hidden = quality["right"], quality["wrong"], quality["hidden"]
    f1 = "" if quality["f1"] is None else f"{quality['f1']:.4f}"
    rows = [
        ["Precision: of the links made without the number, to the right person", f"{_n(right)} of {_n(right + wrong)}",
         _interval(quality, "precision")],
        ["Recall: of the records, linked to the right person", f"{_n(right)} of {_n(hidden)}", _interval(quality, "recall")],
        ["F1: harmonic mean of the two", "", f1],
        ["Coverage: estimated share of all matches that were found", f"{_n(everyone['linked'])} links",
         _triple(everyone["coverage"], everyone["coverage_lower"], everyone["coverage_upper"])],
    ]  # fmt: skip
    parts = [
        "<h3>Quality against a gold standard</h3>",
        f"<p>{_n(hidden)} records that their NHS number links were linked once more with the number hidden. That measures the "
        "records that have no number. It cannot show a wrong number that fits, such as that of somebody of the same home: see "
        "review.csv.</p>",
        _table("Quality", ["Measure", "Records", "Value (95 % interval)"], rows, 1),
        "<h3>Who is missed</h3>",
        "<p>Missed without a number: of the records whose number was hidden, those not linked to their person. Missed of all "
        "matches: the estimate for all records, most of which have a number. A rate observed in a group is corrected by dividing "
        "it by one minus the latter.</p>",
    ]  # fmt: skip
    for stratum, words in WORDS.items():
        here = counts[(counts["stratum"] == stratum) & (counts["hidden"] > 0)]
        if len(here) and stratum != "month":
            parts += [_figure(words, here), _missed(words, here)]
    return parts


def _missed(words: str, here: pd.DataFrame) -> str:
    rows = []
    for row in here.itertuples():
        of = "not known" if pd.isna(row.records) else f"{_n(row.linked)} of {_n(row.records)}"
        missed = _triple(1 - row.recall, 1 - row.recall_upper, 1 - row.recall_lower) if row.hidden >= FEW else "too few"
        of_all = _triple(1 - row.coverage, 1 - row.coverage_upper, 1 - row.coverage_lower, 2) if row.hidden >= FEW else "too few"
        rows.append([row.level, of, f"{_n(row.hidden_missed)} of {_n(row.hidden)}", missed, of_all])
    by_index = " (as the index has it, for linked records)" if (here["taken_from"] == "index").any() else ""
    return _table(f"{words}{by_index}", ["Group", "Linked, of records", "Missed without a number", "Share (95 % interval)",
                                         "Missed of all matches"], rows, 1)  # fmt: skip


def _figure(words: str, here: pd.DataFrame) -> str:
    """Draw the share missed without a number, with its interval, one line a group."""
    shown = here[here["hidden"] >= FEW]
    if len(shown) < 2:
        return ""
    most = max(0.02, float((1 - shown["recall_lower"]).max()))
    scale = 420 / most
    lines = []
    for place, row in enumerate(shown.itertuples()):
        y, low, high, at = 22 * place + 16, 1 - row.recall_upper, 1 - row.recall_lower, 1 - row.recall
        lines.append(f"<text x=150 y={y + 4} text-anchor=end>{html.escape(str(row.level))}</text>"
                     f"<line x1={160 + scale * low:.1f} x2={160 + scale * high:.1f} y1={y} y2={y} stroke=#555 />"
                     f"<circle cx={160 + scale * at:.1f} cy={y} r=4 fill=#005ea5 />")  # fmt: skip
    bottom = 22 * len(shown) + 22
    axis = "".join(f"<text x={160 + scale * most * part:.1f} y={bottom} text-anchor=middle>{100 * most * part:.1f} %</text>"
                   for part in (0, 0.5, 1))  # fmt: skip
    label = html.escape(f"{words}: share missed without a number, with 95 % intervals")
    return f"<svg role=img aria-label=\"{label}\" viewBox='0 0 620 {bottom + 8}' width=620>{''.join(lines)}{axis}</svg>"


def _table(caption: str, heads: list[str], rows: list[list[Any]], words: int) -> str:
    """Write a table; the first `words` columns hold words, the others numbers."""
    def cells(tag: str, row: list[Any]) -> str:
        return "".join(f"<{tag}{' class=n' if i >= words else ''}>{html.escape(str(v))}</{tag}>" for i, v in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<caption>{html.escape(caption)}</caption><thead><tr>{cells('th', heads)}</tr></thead>"
    return f"<table>{head}<tbody>{body}</tbody></table>"


def _n(value: Any) -> str:
    return "" if pd.isna(value) else number(value, 0)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _rate(part: int, whole: int) -> str:
    lower, upper = wilson(part, whole)
    return _triple(part / whole if whole else None, lower, upper)


def _interval(quality: dict[str, Any], measure: str) -> str:
    return _triple(quality[measure], quality[f"{measure}_lower"], quality[f"{measure}_upper"], 2)


def _triple(value: Any, lower: Any, upper: Any, digits: int = 1) -> str:
    if value is None or math.isnan(value):
        return "not known"
    return f"{100 * value:.{digits}f} % ({100 * lower:.{digits}f} to {100 * upper:.{digits}f})"


def told(name: str, found: dict[str, Any]) -> str:
    """Say in one line how the linkage of one source went; `found` is its part of linkage.json."""
    steps = ", ".join(f"{method} {number:,}" for method, number in found["methods"].items() if method != "U")
    quality = found["quality"]
    measured = "" if quality is None or quality["recall"] is None else (
        f"; without a number {100 * quality['recall']:.1f} % are found ({100 * quality['recall_lower']:.1f} to "
        f"{100 * quality['recall_upper']:.1f}, of {quality['hidden']:,}), and "
        f"{100 * quality['precision']:.2f} % of those found are right")  # fmt: skip
    return f"  {name}: {found['linked']:,} of {found['records']:,} records linked ({steps}){measured}."

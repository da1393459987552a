"""Figures of the review page: bars drawn as SVG in the page itself, each beside a table that says the same."""

from __future__ import annotations

from html import escape

WIDTH, BAR, GAP, LABEL = 860, 22, 14, 350  # pixels
# Each colour stands out against white and against its neighbours; a pattern of the page tells withheld apart as well.
COLOURS = {"shown": "#1f5a8a", "withheld": "#c2560c", "neither": "#6b6b6b", "same": "#1f5a8a", "changed": "#c2560c",
           "new": "#2e7d4f", "gone": "#6b6b6b"}  # fmt: skip


def bars(name: str, title: str, rows: list[tuple[str, dict[str, int]]]) -> str:
    """Draw one bar of shares per row.

    name   of the figure, unique in the page
    rows   label -> part -> number; parts are names of COLOURS
    """
    height = len(rows) * (BAR + GAP) + 24
    words = "; ".join(f"{label}: {', '.join(f'{_share(n, parts)} {part}' for part, n in parts.items())}" for label, parts in rows)
    drawn = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(f"{title}. {words}")}">',
             f'<defs><pattern id="{name}-stripes" width="6" height="6" patternUnits="userSpaceOnUse" '
             'patternTransform="rotate(45)">'
             f'<rect width="6" height="6" fill="{COLOURS["withheld"]}"/>'
             '<rect width="2" height="6" fill="#fff"/></pattern></defs>']  # fmt: skip
    for place, (label, parts) in enumerate(rows):
        y, x, total = place * (BAR + GAP), float(LABEL), sum(parts.values()) or 1
        drawn.append(f'<text x="{LABEL - 10}" y="{y + BAR * 0.72:.0f}" text-anchor="end">{escape(_short(label))}</text>')
        for part, n in parts.items():
            width = (WIDTH - LABEL - 60) * n / total
            fill = f"url(#{name}-stripes)" if part in ("withheld", "changed") else COLOURS[part]
            if n:
                drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{fill}" stroke="#fff"/>')
            x += width
        marked = next((part for part in ("withheld", "changed") if part in parts), "")
        if marked:
            drawn.append(f'<text x="{WIDTH - 52}" y="{y + BAR * 0.72:.0f}">{_share(parts[marked], parts)}</text>')
    x = float(LABEL)
    for part in dict.fromkeys(part for _, parts in rows for part in parts):
        fill = f"url(#{name}-stripes)" if part in ("withheld", "changed") else COLOURS[part]
        drawn.append(f'<rect x="{x}" y="{height - 18}" width="14" height="14" fill="{fill}"/>'
                     f'<text x="{x + 19}" y="{height - 6}">{escape(part)}</text>')  # fmt: skip
        x += 40 + 9 * len(part)
    return "".join([*drawn, "</svg>"])


def _share(n: int, parts: dict[str, int]) -> str:
    total = sum(parts.values())
    return f"{100 * n / total:.0f} %" if total else "0 %"


def _short(label: str) -> str:
    return label if len(label) <= 46 else f"{label[:45]}…"

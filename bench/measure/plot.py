"""Plots as SVG, written by hand: bars lying side by side, and columns by group. They read on light and on dark pages."""

import html

FONT = "font-family='system-ui, sans-serif' font-size='12'"
OURS, THEIRS, INK, LINE = "#2f7d4f", "#8a94a6", "#777d88", "#b8bec8"
SERIES = ["#2f7d4f", "#4a7fb5", "#d1913c", "#8a94a6"]


def bars(title, panels):
    """Panels below one another, each with a name and its bars: name, value, the quartiles, whether it is ours. A panel has a scale of its own."""
    left, wide, step = 250, 380, 20
    parts, top = [text(8, 20, title, weight="bold")], 34
    for name, lines in panels:
        most = max(high for _, _, (_, high), _ in lines) or 1
        if name:
            parts.append(text(8, top + 14, name, fill=INK))
            top += 22
        for label, value, (low, high), is_ours in lines:
            scale = lambda number: left + wide * number / most
            middle = top + step / 2
            parts += [
                text(left - 8, middle + 4, label, anchor="end", weight="bold" if is_ours else "normal"),
                f"<rect x='{left}' y='{top + 3}' width='{wide * value / most:.1f}' height='{step - 6}' fill='{OURS if is_ours else THEIRS}'/>",
                f"<path d='M{scale(low):.1f} {middle}H{scale(high):.1f}' stroke='{INK}' stroke-width='2'/>",
                text(scale(max(value, high)) + 6, middle + 4, number(value)),
            ]
            top += step
        top += 8
    return document(left + wide + 80, top, parts)


def columns(title, rows, names):
    """Rows of charts; a chart is a name, its groups (name, values in the order of `names`, nothing where there is none), its unit."""
    wide, tall, gap, left = 330, 130, 70, 50
    parts, top = [text(8, 20, title, weight="bold")], 34
    for place, name in enumerate(names):
        parts += [
            f"<rect x='{left + place * 130}' y='{top}' width='12' height='12' fill='{SERIES[place]}'/>",
            text(left + place * 130 + 18, top + 11, name),
        ]
    top += 40
    for charts in rows:
        for across, (name, groups, form) in enumerate(charts):
            x = left + across * (wide + gap)
            most = max((value for _, values in groups for value in values if value is not None), default=1) or 1
            parts.append(text(x, top - 6, name, fill=INK))
            parts.append(f"<path d='M{x} {top + tall}H{x + wide}' stroke='{LINE}'/>")
            room = wide / len(groups)
            width = room * 0.8 / len(names)
            for group, (label, values) in enumerate(groups):
                start = x + group * room + room * 0.1
                parts.append(text(start + room * 0.4, top + tall + 16, label, anchor="middle"))
                for place, value in enumerate(values):
                    if value is None:
                        continue
                    height = tall * 0.88 * value / most
                    at = start + place * width
                    parts.append(
                        f"<rect x='{at:.1f}' y='{top + tall - height:.1f}' width='{width - 2:.1f}' height='{height:.1f}' "
                        f"fill='{SERIES[place]}'/>"
                    )
                    parts.append(text(at + width / 2 - 1, top + tall - height - 3, form(value), anchor="middle", size=9))
        top += tall + 56
    across = max(map(len, rows))
    return document(left + across * (wide + gap), top - 16, parts)


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def text(x, y, words, anchor="start", weight="normal", fill="currentColor", size=None):
    smaller = f" font-size='{size}'" if size else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-weight='{weight}' fill='{fill}'{smaller}>"
        f"{html.escape(words)}</text>"
    )


def document(width, height, parts):
    style = "<style>svg{color:#1f2328;background:#fff}@media(prefers-color-scheme:dark){svg{color:#e6edf3;background:#0d1117}}</style>"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' height='{height:.0f}' "
        f"{FONT}>{style}\n" + "\n".join(parts) + "\n</svg>\n"
    )

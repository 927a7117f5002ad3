"""A small bar chart for mails: a table with coloured cells, which needs no images and no styles that clients drop.

Every bar has its figure beside it, so that the chart says as much to whoever sees no colours, or hears it read out.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from rapport.model.account_data import MetricSeries
from rapport.rules import figures
from rapport.rules.figures import Bar

FULL: Final = "#0f6b5c"
LAST_BAR: Final = "#14211f"
BELOW: Final = "#a12d1b"
TRACK: Final = "#ece8de"

_CELL: Final = "font-size:13px;line-height:18px;padding:2px 0;"


def text(series: MetricSeries) -> str:
    """The chart for a text part: one line, such as "checks a day: 1,200 → 3,400, up 183 %"."""
    return figures.told(series)


def html(series: MetricSeries) -> Markup:
    """The chart for an HTML part: what was measured, then a bar for each day, week or month.

    Bars begin at nothing and the longest fills its cell; what is below zero has a colour of its own. Where all bars
    would look the same, the line alone says more.
    """
    few = figures.bars(series)
    if few.is_level:
        return _head(series, figures.course(series), margin=16)
    change = figures.change(few.first, few.last, series.unit)
    longest = max(abs(value) for value in few.ends) or 1.0
    rows = Markup("\n").join(
        _row(bar, series.unit, round(abs(bar.value) / longest * 100), last=bar is few.bars[-1]) for bar in few.bars
    )
    return Markup(
        "{}\n"
        '<table width="100%" cellpadding="0" cellspacing="0" border="0" '
        'style="width:100%;border-collapse:collapse;margin:0 0 16px 0;">\n{}\n</table>'
    ).format(_head(series, f"{change}, {figures.AVERAGES[few.span]}" if few.averaged else change, margin=4), rows)


def _head(series: MetricSeries, notes: str, *, margin: int) -> Markup:
    return Markup(
        '<p style="margin:0 0 {}px 0;"><strong>{}</strong> <span style="font-size:13px;color:#5d6b68;">{}</span></p>'
    ).format(margin, series.metric, notes)


def _row(bar: Bar, unit: str, share: int, *, last: bool) -> Markup:
    weight = "600" if last else "400"
    return Markup(
        '<tr><th scope="row" align="left" width="64" style="{cell}width:64px;font-weight:{weight};color:#5d6b68;'
        'white-space:nowrap;padding-right:10px;">{label}</th>'
        '<td style="{cell}">{drawn}</td>'
        '<td align="right" width="52" style="{cell}width:52px;font-weight:{weight};white-space:nowrap;'
        'padding-left:10px;">{value}</td></tr>'
    ).format(
        cell=_CELL,
        weight=weight,
        label=bar.label,
        drawn=_drawn(share, BELOW if bar.value < 0 else LAST_BAR if last else FULL),
        value=figures.figure(bar.value, unit),
    )


def _drawn(share: int, colour: str) -> Markup:
    """A bar of so many per cent. Outlook draws no element without content, so its cells hold a space that is seen."""
    # A cell of no width is drawn with some in several clients, so it is left out.
    parts = [(share, colour), (100 - share, TRACK)]
    cells = Markup("").join(
        Markup(
            '<td width="{width}%" bgcolor="{colour}" height="10" '
            'style="width:{width}%;height:10px;background-color:{colour};font-size:1px;line-height:10px;">&nbsp;</td>'
        ).format(width=width, colour=colour)
        for width, colour in parts
        if width
    )
    return Markup(
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" '
        'style="width:100%;border-collapse:collapse;"><tr>{}</tr></table>'
    ).format(cells)

"""The picture of a desk's week: what there was to do, hour by hour, against who was there to do it.

Every bar says its figures in its own title; a page's style may colour the classes anew, as for the dark.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from rapport.model.account import WEEKDAYS
from rapport.rules.desk_report import DeskReport, Hour

WIDTH: Final = 960
HEIGHT: Final = 320
_LEFT: Final = 44
_TOP: Final = 44
_BOTTOM: Final = 40
_COLOURS: Final = {"slack": "#0f6b5c", "busy": "#5a6764", "peak": "#a12d1b", "alone": "#b9b4a7"}
_GAP: Final = 10
_EVERY: Final = 4
_DAYS: Final = {"mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun"}
_LEGEND: Final = (
    ("slack", "slack: side work goes out"),
    ("busy", "busy"),
    ("peak", "peak: it goes back"),
    ("alone", "nobody at work"),
)


def week(report: DeskReport) -> Markup:
    """An SVG of the average week: a bar for each hour's load, and a line where the peak begins with that staff.

    Behind each bar stands a paler one for the worst such hour: an average hides the peak.
    """
    shown = _shown(report)
    top = max([float(hour.most) for hour in shown] + [hour.staff * report.peak for hour in shown] + [1.0]) * 1.05
    first, last = min(hour.hour for hour in shown), max(hour.hour for hour in shown)
    days = [day for day in WEEKDAYS if any(hour.weekday == day for hour in shown)]
    room = (WIDTH - _LEFT - _GAP * len(days)) / len(days)
    step = room / (last - first + 1)

    def x(hour: Hour) -> float:
        return _LEFT + days.index(hour.weekday or "mon") * (room + _GAP) + (hour.hour - first) * step

    def y(load: float) -> float:
        return HEIGHT - _BOTTOM - load / top * (HEIGHT - _TOP - _BOTTOM)

    parts = [_legend(), *_axis(top, y(0), y(top))]
    for day in days:
        hours = [hour for hour in shown if hour.weekday == day]
        for hour in hours:
            parts += [
                _bar(hour, hour.most, x(hour), y(hour.most), step, y(0), report, pale=True),
                _bar(hour, hour.load, x(hour), y(hour.load), step, y(0), report),
            ]
        parts.append(_line([(x(hour), y(hour.staff * report.peak)) for hour in hours if hour.staff], step))
        parts.append(_days_labels(day, hours, x(hours[0]), step, room))
    told = (
        f"Average load by hour of the week, {report.first} to {report.last}, against the load at which the peak begins"
    )
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" class="desk-week" role="img" '
        'aria-label="{told}" font-family="system-ui, sans-serif" font-size="12">\n{parts}\n</svg>\n'
    ).format(w=WIDTH, h=HEIGHT, told=told, parts=Markup("\n").join(parts))


def _shown(report: DeskReport) -> list[Hour]:
    """The hours in which there was anything at all on some day, and the days with anything in some hour."""
    some = [hour for hour in report.week if hour.staff or hour.opened] or list(report.week)
    first, last = min(hour.hour for hour in some), max(hour.hour for hour in some)
    days = {hour.weekday for hour in some}
    return [hour for hour in report.week if first <= hour.hour <= last and hour.weekday in days]


def _kind(hour: Hour, load: float, report: DeskReport) -> str:
    if not hour.staff:
        return "alone"
    if load >= report.peak * hour.staff:
        return "peak"
    return "slack" if load <= report.slack * hour.staff else "busy"


def _bar(
    hour: Hour, load: float, x: float, y: float, step: float, floor: float, report: DeskReport, *, pale: bool = False
) -> Markup:
    kind = _kind(hour, load, report)
    at = f"{_DAYS[hour.weekday or 'mon']} {hour.hour:02}:00"
    told = f"{at}: at most {load:g}" if pale else f"{at}: load {load:g}, {hour.staff:g} at work"
    return Markup(
        '<rect class="{kind}" fill="{fill}" fill-opacity="{opacity}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" '
        'height="{h:.1f}"><title>{told}</title></rect>'
    ).format(
        kind=kind,
        fill=_COLOURS[kind],
        opacity="0.3" if pale else "1",
        x=x + 0.5,
        y=y,
        w=max(step - 1, 1),
        h=max(floor - y, 0),
        told=told,
    )


def _line(points: list[tuple[float, float]], step: float) -> Markup:
    """A stair over the hours in which somebody is at work, with a gap where nobody is."""
    path, before = "", None
    for x, y in points:
        path += f"{'M' if before is None or abs(before - x) > 0.1 else 'L'}{x:.1f} {y:.1f}H{x + step:.1f}"
        before = x + step
    return Markup('<path class="limit" fill="none" stroke="#14211f" stroke-width="1.5" d="{}"/>').format(path)


def _axis(top: float, floor: float, ceiling: float) -> list[Markup]:
    parts = []
    unit = next(unit for unit in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**6) if top / unit <= _EVERY + 1)
    for mark in range(0, int(top) + 1, unit):
        y = floor - mark / top * (floor - ceiling)
        parts.append(
            Markup(
                '<path class="grid" stroke="#e3dfd5" d="M{left} {y:.1f}H{right}"/>'
                '<text class="said" fill="#5a6764" x="{at}" y="{base:.1f}" text-anchor="end">{mark}</text>'
            ).format(left=_LEFT, right=WIDTH - _GAP, y=y, at=_LEFT - 8, base=y + 4, mark=mark)
        )
    return parts


def _days_labels(day: str, hours: list[Hour], x: float, step: float, room: float) -> Markup:
    ticks = Markup("").join(
        Markup('<text class="said" fill="#5a6764" font-size="10" x="{:.1f}" y="{}">{}</text>').format(
            x + (hour.hour - hours[0].hour) * step, HEIGHT - _BOTTOM + 14, hour.hour
        )
        for hour in hours[::_EVERY]
    )
    return ticks + Markup(
        '<text class="day" fill="#22302e" font-weight="600" x="{:.1f}" y="{}" text-anchor="middle">{}</text>'
    ).format(x + room / 2, HEIGHT - 8, _DAYS[day])


def _legend() -> Markup:
    parts, x = [], float(_LEFT)
    for kind, words in _LEGEND:
        parts.append(
            Markup(
                '<rect class="{kind}" fill="{fill}" x="{x:.0f}" y="8" width="12" height="12"/>'
                '<text class="said" fill="#5a6764" x="{at:.0f}" y="18">{words}</text>'
            ).format(kind=kind, fill=_COLOURS[kind], x=x, at=x + 18, words=words)
        )
        x += 40 + 6.6 * len(words)
    line = Markup(
        '<path class="limit" fill="none" stroke="#14211f" stroke-width="1.5" d="M{x:.0f} 14h16"/>'
        '<text class="said" fill="#5a6764" x="{at:.0f}" y="18">where the peak begins</text>'
    ).format(x=x, at=x + 22)
    return Markup("").join([*parts, line])

#!/usr/bin/env python3
"""Draw docs/images/frames.svg: the frames of docs/frames_and_units.md. No library is needed.

With ``--check`` nothing is written, and the exit code is 1 when the file differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / 'docs' / 'images' / 'frames.svg'
X, Y, Z, INK, SOFT = '#c0392b', '#1e8449', '#1f5fbf', '#222222', '#8a8f98'
OURS = '#b9770e'
WIDTH, HEIGHT = 960, 700


def text(x: float, y: float, words: str, color: str = INK, size: int = 14, more: str = '') -> str:
    """One line of text."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{color}" {more}>{words}</text>'


def arrow(x: float, y: float, dx: float, dy: float, color: str, name: str) -> str:
    """An axis in the plane of the picture."""
    away = 14
    length = (dx * dx + dy * dy) ** 0.5
    at_x, at_y = x + dx + away * dx / length, y + dy + away * dy / length + 5
    return (
        f'<line x1="{x:g}" y1="{y:g}" x2="{x + dx:g}" y2="{y + dy:g}" stroke="{color}" '
        f'stroke-width="3" marker-end="url(#{color[1:]})"/>'
        + text(at_x, at_y, name, color, 15, 'text-anchor="middle" font-weight="bold"')
    )


def towards(x: float, y: float, color: str, name: str) -> str:
    """An axis that points out of the picture."""
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="8" fill="white" stroke="{color}" stroke-width="3"/>'
        f'<circle cx="{x:g}" cy="{y:g}" r="2.5" fill="{color}"/>'
        + text(x - 24, y + 5, name, color, 15, 'font-weight="bold"')
    )


def away(x: float, y: float, color: str, name: str) -> str:
    """An axis that points into the picture."""
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="8" fill="white" stroke="{color}" stroke-width="3"/>'
        f'<path d="M{x - 5:g} {y - 5:g} l10 10 m0 -10 l-10 10" stroke="{color}" stroke-width="2"/>'
        + text(x - 24, y + 5, name, color, 15, 'font-weight="bold"')
    )


def body_axes(x: float, y: float) -> str:
    """Draw x forward, z up, y to the left: towards the reader, who sees the car from its left."""
    return arrow(x, y, 70, 0, X, 'x') + arrow(x, y, 0, -70, Z, 'z') + towards(x, y, Y, 'y')


def optical_axes(x: float, y: float) -> str:
    """Draw z ahead, y down, x to the right: away from the reader."""
    return arrow(x, y, 70, 0, Z, 'z') + arrow(x, y, 0, 55, Y, 'y') + away(x, y, X, 'x')


def car() -> str:
    """The vehicle from its left side."""
    outline = (
        'M250 330 q4 -44 42 -50 l66 -8 q34 -62 70 -66 l120 0 q34 4 66 64 l88 16 q34 10 34 44 z'
    )
    return (
        f'<path d="{outline}" fill="#eef1f5" stroke="{SOFT}" stroke-width="2"/>'
        '<path d="M388 268 q24 -42 50 -44 l40 0 0 46 z M490 224 l54 0 q22 4 46 48 l-100 -2 z" '
        'fill="#dbe4ee" stroke="none"/>'
        + ''.join(
            f'<circle cx="{x}" cy="332" r="30" fill="white" stroke="{SOFT}" stroke-width="3"/>'
            for x in (340, 630)
        )
        + f'<line x1="40" y1="362" x2="920" y2="362" stroke="{SOFT}" stroke-width="2"/>'
    )


def scene() -> str:
    """The car on the road with the frames at their places."""
    height = (
        f'<path d="M800 206 l0 156 m-6 -8 l6 8 l6 -8 m-12 -140 l6 -8 l6 8" stroke="{OURS}" '
        'fill="none" stroke-width="2"/>'
        f'<path d="M560 206 l250 0" stroke="{OURS}" stroke-dasharray="4 4"/>'
    )
    return '\n'.join(
        [
            text(24, 34, 'Where the frames are, seen from the left of the vehicle', INK, 19),
            car(),
            height,
            text(812, 282, 'mounting.height_m', OURS),
            f'<path d="M90 206 l470 0" stroke="{OURS}" stroke-dasharray="4 4"/>',
            body_axes(90, 206),
            text(40, 240, 'gemdepth_odom: where the', OURS),
            text(40, 258, 'camera was at the start', OURS),
            text(40, 276, 'x forward, y left, z up', SOFT, 13),
            body_axes(430, 362),
            text(400, 400, 'base_link', INK),
            text(400, 418, 'x forward, y left, z up; its ground is base_height_m below', SOFT, 13),
            optical_axes(560, 206),
            text(586, 168, '&lt;camera&gt;, the frame_id of the images', INK),
            text(586, 150, '&lt;camera&gt;_gemdepth, a leaf at the same place', OURS),
            text(586, 186, 'z ahead, x right, y down (optical)', SOFT, 13),
        ]
    )


def box(x: float, y: float, words: str, color: str = INK, wide: int = 168) -> str:
    """A frame of a tree."""
    return (
        f'<rect x="{x - wide / 2:g}" y="{y - 17:g}" width="{wide}" height="26" rx="5" '
        f'fill="white" stroke="{color}"/>' + text(x, y, words, color, 13, 'text-anchor="middle"')
    )


def edge(x: float, y: float, to_x: float, to_y: float, color: str = INK) -> str:
    """From a parent to its child."""
    return (
        f'<line x1="{x:g}" y1="{y + 9:g}" x2="{to_x:g}" y2="{to_y - 21:g}" stroke="{color}" '
        f'stroke-width="2" marker-end="url(#{color[1:]})"/>'
    )


def robot(x: float, y: float) -> str:
    """The robot's own part of the tree."""
    return edge(x, y, x, y + 62) + box(x, y, 'base_link') + box(x, y + 62, '&lt;camera&gt;')


def trees() -> str:
    """What each tf_mode adds (in colour) to the robot's own tree."""
    top = 500
    camera, base, inverted = 170, 490, 790
    return '\n'.join(
        [
            text(
                24, 456, 'Who publishes what: the robot (black) and depth_node (colour)', INK, 19
            ),
            text(camera, top - 18, 'tf_mode: camera', INK, 15, 'text-anchor="middle"'),
            edge(camera - 70, top + 20, camera - 70, top + 82, OURS),
            box(camera - 70, top + 20, 'gemdepth_odom', OURS),
            box(camera - 70, top + 82, '&lt;camera&gt;_gemdepth', OURS, 146),
            edge(camera + 9, top + 20, camera + 9, top + 144, OURS),
            box(camera - 40, top + 144, '&lt;camera&gt;_gemdepth_key0 ...', OURS, 216),
            robot(camera + 110, top + 20),
            text(base, top - 18, 'tf_mode: odom_to_base', INK, 15, 'text-anchor="middle"'),
            edge(base, top + 20, base, top + 82, OURS),
            box(base, top + 20, 'odom', OURS),
            robot(base, top + 82),
            text(inverted, top - 18, 'tf_mode: inverted', INK, 15, 'text-anchor="middle"'),
            edge(inverted, top + 20, inverted - 65, top + 82),
            box(inverted, top + 20, 'base_link'),
            box(inverted - 65, top + 82, '&lt;camera&gt;'),
            edge(inverted, top + 20, inverted + 65, top + 144, OURS),
            box(inverted + 65, top + 144, 'gemdepth_odom', OURS),
        ]
    )


def drawing() -> str:
    """Return the picture as SVG."""
    markers = ''.join(
        f'<marker id="{color[1:]}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="6" '
        f'markerHeight="6" orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" '
        f'fill="{color}"/></marker>'
        for color in (X, Y, Z, INK, OURS)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="DejaVu Sans, Arial, sans-serif">\n'
        f'<defs>{markers}</defs>\n<rect width="100%" height="100%" fill="white"/>\n'
        f'{scene()}\n{trees()}\n</svg>\n'
    )


def main(arguments: list[str]) -> int:
    """Write the file, or compare it."""
    if '--check' in arguments:
        return int(TARGET.read_text() != drawing())
    TARGET.write_text(drawing())
    print(TARGET)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))

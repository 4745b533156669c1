"""The picture of a report for the documentation: picture_of_report.py REPORT.html FILE.png."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from headless_chromium import Chromium, find_chromium

WIDTHS = (1280, 400)
HEIGHT = 3200  # of what is shown of each page
GAP = 40
SHRINK = 0.5


def main(report: Path, target: Path) -> None:
    program = find_chromium()
    if program is None:
        raise SystemExit('no chromium on this machine (apt install chromium)')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = []
        with Chromium(program, folder / 'profile') as browser:
            for width in WIDTHS:
                browser.open(report, width)
                browser.wait_for('document.documentElement.dataset.drawn')
                browser.picture(folder / 'page.png')
                parts.append(cv2.imread(str(folder / 'page.png'))[:HEIGHT])
    white = np.full((HEIGHT, GAP, 3), 255, np.uint8)
    both = np.hstack([parts[0], white, parts[1]])
    small = cv2.resize(both, None, fx=SHRINK, fy=SHRINK, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(target), small, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(sys.argv[2]))

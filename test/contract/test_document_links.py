"""Links of the documents lead to files and headings that are there, and so do file names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PAGES = (
    REPO / 'README.md',
    REPO / 'CONTRIBUTING.md',
    *sorted((REPO / 'docs').glob('*.md')),
    *sorted((REPO / 'gemdepth_ros/weights').glob('*.md')),
)
LINK = re.compile(r'\]\(([^)\s]+)\)')
NAMED = re.compile(
    r'(?<![\w/.-])(?:test|config|benchmarks|scripts|docker|gemdepth_ros)/[\w/.-]*\w'
)
MADE_BY_A_BUILD = ('gemdepth_ros/RelativePoses', 'gemdepth_ros/Status', 'gemdepth_ros/depth_node')


def without_code(page: Path) -> str:
    """Return a page's text without its blocks of code, where `#` is no heading."""
    return re.sub(r'^```.*?^```$', '', page.read_text(encoding='utf-8'), flags=re.M | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r'^#+ (.*)$', without_code(page), re.MULTILINE):
        words = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading).lower()
        name = re.sub(r'[^\w\- ]', '', words).replace(' ', '-')
        count = sum(name == known or known.startswith(f'{name}-') for known in found)
        found.add(f'{name}-{count}' if name in found else name)
    return found


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere; addresses of other sites are not tried."""
    found = []
    for link in LINK.findall(without_code(page)):
        if re.match(r'[a-z]+:', link):
            continue
        name, _, anchor = link.partition('#')
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert not broken(page)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_named_files_are_there(page: Path) -> None:
    named = set(NAMED.findall(page.read_text(encoding='utf-8'))) - set(MADE_BY_A_BUILD)
    assert not [name for name in sorted(named) if not (REPO / name).exists()]


def test_every_page_is_reached_from_the_readme() -> None:
    links = LINK.findall((REPO / 'README.md').read_text(encoding='utf-8'))
    reached = {(REPO / link.partition('#')[0]).resolve() for link in links}
    assert not [page.name for page in (REPO / 'docs').glob('*.md') if page not in reached]


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text('# One `two`\n[a](#one-two) [b](#three) [c](none.md) [d](https://e.f)\n')
    assert broken(page) == ['#three', 'none.md']

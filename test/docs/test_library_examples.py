"""The examples of docs/library.md run and print what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / 'docs' / 'library.md'
EXAMPLE = re.compile(r'^## (.+?)\n.*?```python\n(.+?)```\n\n```text\n(.+?)```', re.DOTALL | re.M)


def examples() -> dict[str, tuple[str, str]]:
    """Heading -> (code, printed text)."""
    found = EXAMPLE.findall(PAGE.read_text(encoding='utf-8'))
    return {heading: (code, printed) for heading, code, printed in found}


@pytest.mark.parametrize('heading', examples())
def test_the_example_prints_what_the_page_says(heading: str) -> None:
    code, printed = examples()[heading]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, heading, 'exec'), {'__name__': '__main__'})  # noqa: S102 -- our page
    assert out.getvalue() == printed


def test_there_is_a_short_example_of_each_layer() -> None:
    layers = ('build_gemdepth', 'WindowedPredictor', 'StreamSession', 'DepthPipeline')
    found = list(examples().values())
    assert len(found) == len(layers)
    for layer, (code, _) in zip(layers, found, strict=True):
        assert layer in code
        assert len([line for line in code.splitlines() if line.strip()]) <= 13


def test_every_python_block_is_an_example() -> None:
    """None stands on the page that no test runs."""
    assert PAGE.read_text(encoding='utf-8').count('```python') == len(examples())

"""The weights that this package knows by name: those it carries, and published ones."""

from __future__ import annotations

from dataclasses import dataclass

from gemdepth_ros.errors import WeightsError

# All presets of the network, for command lines, which must not import it to know their names.
NETWORKS = (
    'vitl',
    'small',
    'tiny',
    'vda-small',
    'vda-base',
    'vda-large',
    'vda-metric-small',
    'vda-metric-base',
    'vda-metric-large',
)


@dataclass(frozen=True)
class WeightsEntry:
    """One weights file.

    Attributes:
        name: what the user types.
        repo: repository on the Hugging Face hub, ``owner/name``; empty when bundled.
        filename: file in that repository.
        preset: network that the file fits, one of ``NETWORKS``.
        licence: the terms in a few words, for tables and checksum records.
        notice: what a user must read before the download.
        revision: branch, tag or commit.
        bundled: the file is part of this package and is never downloaded.
        depth_error: relative error of depth that was measured with these weights where scale and
            shift are right; 0 where nobody measured it here.
        motion_error: relative error of the motion that was measured with them; 0 likewise.
        max_input_size: largest size parameter of the resize rule that makes sense with them [px];
            0: no limit of their own.
    """

    name: str
    repo: str
    filename: str
    preset: str
    licence: str
    notice: str
    revision: str = 'main'
    bundled: bool = False
    depth_error: float = 0.0
    motion_error: float = 0.0
    max_input_size: int = 0

    @property
    def page(self) -> str:
        """Address of the model's page, for a person with a browser."""
        if self.bundled:
            return 'part of this package'
        return f'https://huggingface.co/{self.repo}'


GEMDEPTH_TINY = WeightsEntry(
    name='gemdepth-tiny',
    repo='',
    filename='gemdepth-tiny.safetensors',
    preset='tiny',
    licence='Apache-2.0',
    notice="""\
A small demonstration model, trained from nothing but this package's synthetic world; it shows
what the node does, not what the method reaches. Its model card lies beside it
(gemdepth-tiny.md). Licence: Apache-2.0.""",
    bundled=True,
    depth_error=0.29,  # AbsRel of kitti_traffic, docs/weights.md
    motion_error=0.89,  # t_rel on 51 frames of KITTI odometry, docs/training.md
    max_input_size=182,
)

GEMDEPTH_VITL = WeightsEntry(
    name='gemdepth-vitl',
    repo='YuechengLiu/GemDepth',
    filename='gemdepth.pth',
    preset='vitl',
    licence='unclear: MIT / Apache-2.0 by its authors, grown from CC-BY-NC-4.0 weights',
    notice="""\
Licence of these weights: unclear, treat them as non-commercial.
  - The authors' code on GitHub says MIT; their model page on Hugging Face is tagged apache-2.0.
  - This ViT-L checkpoint grew from the Video-Depth-Anything-Large weights, which are published
    under CC-BY-NC-4.0 (no commercial use: https://creativecommons.org/licenses/by-nc/4.0/).
  - Unless the authors of both say otherwise, use the file for non-commercial purposes only.
The file comes straight from its authors' page; gemdepth_ros does not redistribute it. The licence
of gemdepth_ros itself (Apache-2.0) does not extend to these weights.""",
)

_APACHE = 'Apache-2.0'
_NONCOMMERCIAL = 'CC-BY-NC-4.0: no commercial use'
_VDA_NOTICE = {
    _APACHE: """\
Licence of these weights: Apache-2.0, by their authors' page; commercial use is allowed.""",
    _NONCOMMERCIAL: """\
Licence of these weights: CC-BY-NC-4.0, by their authors: no commercial use
(https://creativecommons.org/licenses/by-nc/4.0/). For commercial use take vda-small or
vda-metric-small, which are Apache-2.0.""",
}
_METRIC_DOUBT = """\
That is stated for the relative weights of this size and taken to hold for the metric ones: read
their page."""
_METRIC_NOTICE = """\
These weights give depth in metres. They were tuned on two synthetic data sets; how far the metres
are off with your camera nobody has measured."""
_SOURCE_NOTICE = """\
The file comes straight from its authors' page; gemdepth_ros does not redistribute it."""


def _vda(size: str, encoder: str, licence: str, *, metric: bool) -> WeightsEntry:
    """Entry of Video Depth Anything, whose files and repositories are named by one rule."""
    family = 'Metric-Video-Depth-Anything' if metric else 'Video-Depth-Anything'
    name = f'vda-metric-{size}' if metric else f'vda-{size}'
    notices = [_VDA_NOTICE[licence]]
    if metric and licence == _NONCOMMERCIAL:
        notices.append(_METRIC_DOUBT)
    notices += [_METRIC_NOTICE, _SOURCE_NOTICE] if metric else [_SOURCE_NOTICE]
    return WeightsEntry(
        name=name,
        repo=f'depth-anything/{family}-{size.capitalize()}',
        filename=f'{"metric_" if metric else ""}video_depth_anything_{encoder}.pth',
        preset=name,
        licence=licence,
        notice='\n'.join(notices),
    )


VDA = tuple(
    _vda(size, encoder, licence, metric=metric)
    for metric in (False, True)
    for size, encoder, licence in (
        ('small', 'vits', _APACHE),
        ('base', 'vitb', _NONCOMMERCIAL),
        ('large', 'vitl', _NONCOMMERCIAL),
    )
)

CATALOGUE: dict[str, WeightsEntry] = {
    entry.name: entry for entry in (GEMDEPTH_TINY, GEMDEPTH_VITL, *VDA)
}


def find_entry(name: str) -> WeightsEntry:
    """Return the catalogue entry of that name.

    Raises:
        WeightsError: no such entry.
    """
    if name not in CATALOGUE:
        raise WeightsError(f'no weights named {name!r}; known: {", ".join(sorted(CATALOGUE))}')
    return CATALOGUE[name]

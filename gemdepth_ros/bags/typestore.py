"""The message types that bags of this package hold: ROS 2 Jazzy's and our own."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from gemdepth_ros.bags.message_definitions import FALLBACK_DEFINITIONS

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

PACKAGE = 'gemdepth_ros'


@functools.cache
def message_store() -> Typestore:
    """Return the (one, shared) store of Jazzy's messages and this package's own."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in package_definitions().items():
        store.register(get_types_from_msg(text, f'{PACKAGE}/msg/{name}'))
    return store


def package_definitions() -> dict[str, str]:
    """Return the definition texts of this package's messages, by name.

    They come from the ``msg`` folder of the source tree or of the installed share folder, and
    from the texts inside the package where there is neither (a pure Python installation).
    """
    for folder in _message_folders():
        texts = {path.stem: path.read_text('utf-8') for path in sorted(folder.glob('*.msg'))}
        if texts:
            return texts
    return dict(FALLBACK_DEFINITIONS)


def _message_folders() -> list[Path]:
    """Return where the definitions may lie, the likeliest first."""
    folders = []
    source_root = Path(__file__).resolve().parents[2]
    # The marker tells the source tree from a site-packages folder that happens to hold `msg`.
    if (source_root / 'resource' / PACKAGE).is_file():
        folders.append(source_root / 'msg')
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    folders += [Path(prefix) / 'share' / PACKAGE / 'msg' for prefix in prefixes if prefix]
    folders.append(Path(sys.prefix) / 'share' / PACKAGE / 'msg')
    return folders

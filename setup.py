"""``pip install .``: our Python code, and the messages where a ROS 2 is sourced.

With ``AMENT_PREFIX_PATH`` (a sourced ROS 2) and cmake the CMake project is built and installed
into a staging folder: the Python part goes into the wheel, everything else (lib/, share/,
include/) into its data. Elsewhere the wheel holds the pure Python part: library, bags and command
line, without the node's messages. An editable install is always the pure part (see
scripts/setup_env.sh, which adds the messages).
"""

import os
import re
import shutil
import subprocess
import sys
from glob import glob
from pathlib import Path

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py

NAME = 'gemdepth_ros'
ROOT = Path(__file__).resolve().parent
VERSION = re.search(r"__version__ = '(.+)'", (ROOT / NAME / '__init__.py').read_text()).group(1)
# ONNX Runtime 1.18 is the first with numpy 2, onnx 1.16 the first with its opset, onnxscript 0.5
# what torch 2.9's exporter asks for. Tests ran with onnx 1.23, onnxruntime 1.31, onnxscript 0.7.
EXPORT = ['onnx>=1.16,<2', 'onnxruntime>=1.18,<2', 'onnxscript>=0.5,<1']
# All of scripts/test.sh but the tests of `export`: ONNX Runtime needs numpy 1.21.6, and a ROS on
# Ubuntu 22.04 stands on 1.21.5.
CHECK = [
    *('pytest>=7', 'hypothesis>=6.100', 'mcap>=1.1', 'jinja2>=3.1,<4', 'plotly>=6,<8'),
    'evo>=1.30,<2',
    *('ruff', 'mypy', 'import-linter>=2.1', 'types-PyYAML', 'scipy-stubs'),
]
WITH_MESSAGES = bool(os.environ.get('AMENT_PREFIX_PATH')) and shutil.which('cmake') is not None


def ros_environment():
    """The environment with the ROS's Python folders, which pip's isolated build takes away."""
    prefixes = [p for p in os.environ['AMENT_PREFIX_PATH'].split(os.pathsep) if p]
    patterns = ('lib/python3*/site-packages', 'local/lib/python3*/dist-packages')
    folders = [f for prefix in prefixes for p in patterns for f in glob(os.path.join(prefix, p))]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(folders)}


class BuildPy(build_py):
    """Adds what the CMake project installs."""

    def run(self):
        super().run()
        if WITH_MESSAGES and not self.editable_mode:
            self.add_cmake_install()

    def add_cmake_install(self):
        build = Path(self.get_finalized_command('build').build_temp).resolve()
        stage, site = build / 'stage', 'lib/python'
        # Nothing left over from an earlier build of other messages.
        shutil.rmtree(stage, ignore_errors=True)
        configure = [
            *('cmake', '-S', str(ROOT), '-B', str(build / 'cmake')),
            *(f'-DCMAKE_INSTALL_PREFIX={stage}', f'-DPYTHON_INSTALL_DIR={site}'),
            *('-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={sys.executable}'),
        ]
        compile_all = ['cmake', '--build', str(build / 'cmake'), '--parallel', str(os.cpu_count())]
        install = ['cmake', '--install', str(build / 'cmake')]
        for command in (configure, compile_all, install):
            subprocess.run(command, check=True, env=ros_environment())
        ignore = shutil.ignore_patterns('*.c', '__pycache__')
        source, target = stage / site / NAME, Path(self.build_lib) / NAME
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignore)
        shutil.rmtree(stage / site)
        files = {}
        for path in sorted(p for p in stage.rglob('*') if p.is_file()):
            folder = str(path.parent.relative_to(stage))
            files.setdefault(folder, []).append(os.path.relpath(path))
        self.distribution.data_files = list(files.items())


class Dist(Distribution):
    """A wheel with messages belongs to one platform."""

    def has_ext_modules(self):
        return WITH_MESSAGES


setup(
    name=NAME,
    version=VERSION,
    description='Temporal depth and camera motion from one camera: ROS 2 node and library',
    license='Apache-2.0',
    # With an explicit root, `pip install -e` puts one line into a .pth file. Its other way, an
    # import hook, comes after the path and would lose against an installed gemdepth_ros/msg.
    package_dir={'': '.'},
    packages=find_packages(include=[NAME, NAME + '.*']),
    package_data={
        NAME: [
            'py.typed',
            *(f'**/*.{kind}' for kind in ('json', 'md', 'npz', 'safetensors', 'yaml')),
            'evaluation/report/templates/*',
        ]
    },
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + NAME]),
        ('share/' + NAME, ['package.xml']),
        ('share/' + NAME + '/launch', glob('launch/*.launch.py')),
        ('share/' + NAME + '/config', [f for f in glob('config/*') if os.path.isfile(f)]),
        ('share/' + NAME + '/config/profiles', glob('config/profiles/*.yaml')),
        ('share/' + NAME + '/config/training', glob('config/training/*.yaml')),
        ('share/' + NAME + '/msg', glob('msg/*.msg')),
    ],
    cmdclass={'build_py': BuildPy},
    distclass=Dist,
    zip_safe=False,
    python_requires='>=3.10',
    install_requires=[
        # Ubuntu 22.04 has 1.21.5. ROS messages are built against the distribution's numpy, which
        # must not be replaced: no upper limit, 1.x and 2.x both work.
        'numpy>=1.21.5',
        'scipy>=1.8',  # Ubuntu 22.04's
        # OpenCV 5 numbers its types differently, which breaks cv_bridge (KeyError: 16).
        'opencv-python-headless>=4.8,<5',
        'PyYAML>=5.4',  # Ubuntu 22.04's
        # 2.5 is the first with torch.OutOfMemoryError, 2.4 the first that says for a device
        # whether autocast is on. The build for this machine's accelerator is the user's choice:
        # one that is there already stays, such as a Jetson's. Not >=2.10: only .pth files need it
        # (the loader refuses them below, CVE-2025-32434 and CVE-2026-24747); .safetensors files
        # are safe to read with any version.
        'torch>=2.5',
        'safetensors>=0.4',  # first with wheels for Python 3.12
        'huggingface_hub>=0.26',  # the lowest that was tested
        'rosbags>=0.11',  # settled the QoS argument that bags/ gives; tests ran with 0.11.9
        'rich>=12.2',  # MofNCompleteColumn; 12.0 and 12.1 were withdrawn
        'matplotlib>=3.5',  # Ubuntu 22.04's
    ],
    extras_require={
        # HTML reports. plotly 6 is the first that writes arrays as base64: pages a third as
        # large; its figures carry the script that draws them, no network.
        'report': ['jinja2>=3.1,<4', 'plotly>=6,<8'],
        # Trajectories in `evaluate` (ATE, RPE), and truncated mcap files. Tests ran with evo 1.38
        # and, for its own part, 1.30.
        'evaluate': ['evo>=1.30,<2', 'mcap>=1.1,<2'],
        # `evaluate --engine ray`: many bags over the machines of a cluster, on all of which the
        # version must be the same. Tests ran with 2.60.
        'ray': ['ray>=2.40,<3'],
        # `--rerun`. Interfaces and file format change between minor versions: 0.23 brought
        # set_time(timestamp=...); tests ran with 0.41.
        'rerun': ['rerun-sdk>=0.23,<0.42'],
        # `export`, and streaming.backend onnx and tensorrt (beside an NVIDIA card: onnxruntime-gpu
        # instead).
        'export': EXPORT,
        'test': ['pytest>=7', 'hypothesis>=6.100', 'mcap>=1.1'],
        'check': CHECK,
        'dev': CHECK + EXPORT,
    },
    entry_points={
        'console_scripts': [
            'depth_node = gemdepth_ros.ros.main:main',
            'gemdepth-ros = gemdepth_ros.cli.main:main',
        ]
    },
)

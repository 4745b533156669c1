#!/usr/bin/env bash
# Brings .venv up to date, then shows the whole path at work: three processes (player, node, recorder) over DDS. Writes a bag
# and report.png to out/demo, prints where every frame went, and fails when one is missing.
#
#   scripts/demo.sh                                          the KITTI clip beside the repository, else a rendered street
#   scripts/demo.sh --weights gemdepth-vitl --input-size 280 real weights
#   scripts/demo.sh --source FOLDER                          a KITTI folder (raw drive, odometry sequence or clip)
#   scripts/demo.sh --help                                   all options
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

bundled=$root/gemdepth_ros/weights/gemdepth-tiny.safetensors
if [[ ! -f $bundled && " $* " != *' --weights'* && " $* " != *' --help '* && " $* " != *' -h '* ]]; then
  echo 'No trained weights (--weights FILE|NAME): the network runs on random numbers, so the picture means nothing yet.'
fi
"$root/scripts/setup_env.sh"
. "$root/scripts/env.sh"
# This source tree, also where another copy of the package is sourced.
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"

clip=$root/../shared/data/kitti_traffic
[[ -d $clip ]] || clip=synthetic
exec python -m gemdepth_ros.cli.main demo --told --output "$root/out/demo" --source "$clip" "$@"

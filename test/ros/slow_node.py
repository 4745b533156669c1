"""The node's real process with a pipeline that takes a stated time per frame: DELAY_S [ARGS]."""

from __future__ import annotations

import sys

from fake_pipeline import FakePipeline

from gemdepth_ros.ros.main import main

if __name__ == '__main__':
    delay_s = float(sys.argv.pop(1))
    sys.exit(main(sys.argv, lambda config: FakePipeline(config, delay_s=delay_s)))

"""The nodes of one process: one camera, or several over one network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.pipeline.known_weights import fitted_to_weights
from gemdepth_ros.ros.dependencies import needing_libraries
from gemdepth_ros.ros.frame_processor import Pipeline
from gemdepth_ros.ros.node import depth_pipeline

if TYPE_CHECKING:
    from gemdepth_ros.ros.node import GemDepthNode, PipelineFactory

NAMESPACE = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*')


class NodeGroup:
    """Makes the process's nodes, and ends them together.

    Attributes:
        nodes: one per camera.
    """

    def __init__(self, node_type: Callable[..., GemDepthNode]) -> None:
        self.nodes: list[GemDepthNode] = []
        self._node_type = node_type

    def create(
        self,
        cameras: Sequence[str],
        batch_wait_s: float,
        pipeline_factory: PipelineFactory | None = None,
    ) -> None:
        """Make the nodes.

        Args:
            cameras: a namespace for each; empty: one node where the command line puts it.
            batch_wait_s: how long the network waits for the frames of the other cameras [s].
            pipeline_factory: makes the pipelines; None makes the real ones.

        Raises:
            ConfigError: a namespace is impossible, or two nodes would have one name.
        """
        if not cameras:
            self.nodes.append(self._node_type(pipeline_factory=pipeline_factory or depth_pipeline))
            return
        bad = [name for name in cameras if not NAMESPACE.fullmatch(name)]
        if bad or batch_wait_s < 0:
            raise ConfigError(
                f'a camera must be a namespace such as front, got {bad[0]!r}'
                if bad
                else f'--batch-wait-ms must be >= 0, got {batch_wait_s * 1e3:g}'
            )
        factory = pipeline_factory or shared_pipelines(batch_wait_s)
        for name in cameras:
            self.nodes.append(self._node_type(pipeline_factory=factory, namespace=name))
        names = [node.get_fully_qualified_name() for node in self.nodes]
        if len(set(names)) < len(names):
            raise ConfigError(
                f'--cameras {" ".join(cameras)} gives the nodes {", ".join(names)}: name each '
                'camera once, and give neither __ns nor __node (no namespace or name in a launch '
                'file)'
            )

    def destroy(self) -> bool:
        """Stop and free everything; return whether a worker is still at a frame."""
        for node in self.nodes:
            node.release()
        busy = any(node.busy for node in self.nodes)
        for node in self.nodes:
            node.destroy_node()
        return busy


def shared_pipelines(batch_wait_s: float) -> PipelineFactory:
    """Return a factory whose pipelines share a network where their settings of it are equal.

    Args:
        batch_wait_s: see ``NodeGroup.create``.
    """
    with needing_libraries():
        from gemdepth_ros.pipeline.network import NetworkPool  # here: torch takes seconds to load
        from gemdepth_ros.pipeline.pipeline import DepthPipeline

    pool = NetworkPool(batch_wait_s)

    def make(config: PipelineConfig) -> Pipeline:
        return DepthPipeline(fitted_to_weights(config), pool.get(config.network))

    return make

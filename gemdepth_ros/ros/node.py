"""The lifecycle node: parameters, transitions, and the wiring between them."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from std_srvs.srv import Trigger

from gemdepth_ros.errors import GemDepthError
from gemdepth_ros.interfaces import ResetReason
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.pipeline.known_weights import fitted_to_weights
from gemdepth_ros.ros import heap
from gemdepth_ros.ros.callbacks import logged_transition
from gemdepth_ros.ros.camera_input import CameraInfoBuffer
from gemdepth_ros.ros.dependencies import needing_libraries
from gemdepth_ros.ros.diagnostics import DiagnosticsPublisher
from gemdepth_ros.ros.faults import out_of_memory
from gemdepth_ros.ros.frame_listener import FrameListener
from gemdepth_ros.ros.frame_processor import Pipeline
from gemdepth_ros.ros.log_forwarding import forward_logging, stop_forwarding
from gemdepth_ros.ros.node_config import odom_frame_in
from gemdepth_ros.ros.parameters import NodeParameters
from gemdepth_ros.ros.publishers import OutputPublishers
from gemdepth_ros.ros.sensor_input import needs_frames
from gemdepth_ros.ros.statistics import NodeStatistics, Snapshot
from gemdepth_ros.ros.status import status_message
from gemdepth_ros.ros.stream import Stream

PipelineFactory = Callable[[PipelineConfig], Pipeline]
SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


def depth_pipeline(config: PipelineConfig) -> Pipeline:
    """Return the real pipeline.

    Raises:
        DependencyError: a library of the network is missing or cannot be loaded.
    """
    with needing_libraries():
        from gemdepth_ros.pipeline import DepthPipeline  # here: torch takes seconds to load

        return DepthPipeline(fitted_to_weights(config))


class GemDepthNode(LifecycleNode):  # type: ignore[misc]  # rclpy has no types
    """Images in; depth, cloud and camera motion out.

    Configure loads the network, activate subscribes and starts the worker, deactivate stops both
    and keeps the network, cleanup frees everything.
    """

    def __init__(
        self,
        *,
        pipeline_factory: PipelineFactory = depth_pipeline,
        node_name: str = 'depth_node',
        **rclpy_arguments: Any,
    ) -> None:
        """Declare parameters and publish diagnostics; all else begins with configure.

        Args:
            pipeline_factory: makes the pipeline while configuring.
            node_name: name of the node.
            **rclpy_arguments: to rclpy's LifecycleNode.

        Raises:
            ConfigError: a given parameter has a wrong type or is out of range.
        """
        super().__init__(node_name, **rclpy_arguments)
        self._pipeline_factory = pipeline_factory
        self._pipeline: Pipeline | None = None
        self._outputs: OutputPublishers | None = None
        self._frames: FrameListener | None = None
        self._reset_service: Any = None
        self._stream: Stream | None = None
        self._camera_infos = CameraInfoBuffer()
        self._statistics = NodeStatistics()
        self._active = False
        self._fault = ''
        self._settings = NodeParameters(self, lambda: self._pipeline is not None)
        self._logging = forward_logging(self.get_logger())
        self._worker_failed = self.create_guard_condition(self._deactivate_after_failure)
        self._diagnostics = DiagnosticsPublisher(
            self, self._snapshot, lambda: self._settings.node_config
        )

    def autostart(self) -> None:
        """Configure and activate, if the parameter ``autostart`` says so."""
        if not self.get_parameter('autostart').value:
            return
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    @property
    def busy(self) -> bool:
        """Whether a worker is still at a frame, be it one that nobody waits for."""
        stream = self._stream  # once: the worker's end sets it to None, on its own thread
        return stream is not None and stream.worker.alive

    # ---- transitions

    @logged_transition(FAILURE)
    def on_configure(self, state: Any) -> Any:
        """Load the network and create the topics."""
        config, pipeline_config = self._settings.read()
        self._fault = ''
        self._camera_infos = CameraInfoBuffer()  # kept until cleanup: a driver may send it once
        self._pipeline = self._pipeline_factory(pipeline_config)
        if config.warm_up_height:
            self._pipeline.warm_up(config.warm_up_height, config.warm_up_width)
        odom_frame = odom_frame_in(self.get_namespace(), config)
        if needs_frames(config, pipeline_config):
            self._frames = FrameListener(self, guarded=config.tf_mode != 'none')
        self._outputs = OutputPublishers(
            self, replace(config, odom_frame=odom_frame), self._frames
        )
        self._reset_service = self.create_service(Trigger, '~/reset', self._on_reset)
        self.get_logger().info(f'configured; weights: {self._pipeline.weights_description}')
        return super().on_configure(state)

    @logged_transition(FAILURE)
    def on_activate(self, state: Any) -> Any:
        """Subscribe and start the worker."""
        assert self._pipeline is not None
        assert self._outputs is not None
        if self.busy:
            raise GemDepthError('a frame from before the last stop is still in work; try again')
        self._fault = ''
        self._statistics = NodeStatistics(self._pipeline.reset_counts)
        result = super().on_activate(state)  # enables the publishers
        self._stream = Stream(
            self,
            self._statistics,
            lambda: self._settings.node_config,
            self._pipeline,
            self._outputs,
            self._publish_status,
            self._on_worker_failure,
            self._camera_infos,
            self._frames,
        )
        self._active = True
        return result

    @logged_transition(ERROR)
    def on_deactivate(self, state: Any) -> Any:
        """Stop subscriptions and worker; keep the network."""
        self._stop_stream()
        return super().on_deactivate(state)

    @logged_transition(ERROR)
    def on_cleanup(self, state: Any) -> Any:
        """Free everything that configure made."""
        self.release()
        return super().on_cleanup(state)

    @logged_transition(ERROR)
    def on_shutdown(self, state: Any) -> Any:
        """Free everything, from any state."""
        self.release()
        return super().on_shutdown(state)

    @logged_transition(FAILURE)
    def on_error(self, state: Any) -> Any:
        """Free everything after a transition failed; the node can be configured again."""
        self.release()
        return SUCCESS

    def undo(self, transition: str, fault: str) -> None:
        """Return to the state before a transition that failed."""
        self._fault = fault
        if transition == 'on_activate':
            self._stop_stream()
            super().on_deactivate(None)  # the publishers, which do not look at the state
        else:
            self.release()

    # ---- stopping

    def release(self) -> None:
        """Stop and free everything that is there; harmless when nothing is."""
        self._stop_stream()
        if self._reset_service is not None:
            self.destroy_service(self._reset_service)
            self._reset_service = None
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        if self._frames is not None:
            self._frames.destroy()
            self._frames = None
        if self._pipeline is not None:
            pipeline, self._pipeline = self._pipeline, None
            stream = self._stream  # once, as in `busy`
            if stream is None:
                self._free(pipeline)
            else:
                stream.worker.when_ended(lambda: self._free(pipeline))

    def _free(self, pipeline: Pipeline) -> None:
        """Close the pipeline and forget the stream, which refers to it."""
        gc.collect()  # cycles that hold a network would outlast the pipeline
        pipeline.close()
        self._stream = None
        heap.give_back_freed_memory()

    def destroy_node(self) -> None:
        """Free everything and leave the graph."""
        self.release()
        stop_forwarding(self._logging)
        super().destroy_node()

    def _stop_stream(self) -> None:
        if not self._active or self._stream is None:
            return
        self._active = False
        if not self._stream.stop():
            self.get_logger().warning(
                'stopped; the frame in work takes longer than stop_timeout_s and is thrown away'
            )

    # ---- callbacks

    def _on_worker_failure(self, error: Exception) -> None:
        """Report what ended the worker; called on its thread."""
        memory = out_of_memory(error)
        text = memory or '\n' + ''.join(traceback.format_exception(error))
        self.get_logger().error(f'the worker failed; the node deactivates itself: {text}')
        self._fault = f'the worker failed: {memory or f"{type(error).__name__}: {error}"}'
        self._worker_failed.trigger()  # transitions belong to the executor's thread

    def _deactivate_after_failure(self) -> None:
        if self._active:
            self.trigger_deactivate()

    def _on_reset(self, _request: Any, response: Any) -> Any:
        if self._active and self._stream is not None:
            self._stream.reset()
            response.success, response.message = True, 'the next frame starts anew'
        elif self._pipeline is not None and not self.busy:
            self._pipeline.reset(ResetReason.REQUEST)
            response.success, response.message = True, 'reset while inactive'
        else:
            response.success, response.message = False, 'a frame is in work; try again'
        return response

    def _publish_status(self) -> None:
        outputs = self._outputs  # once: a worker may still end a frame while they are released
        if outputs is not None:
            outputs.publish_status(status_message(self._snapshot()))

    def _snapshot(self) -> Snapshot:
        pipeline, work = self._pipeline, self._statistics.snapshot()
        if pipeline is None:
            return replace(work, state='unconfigured', fault=self._fault)
        return replace(
            work,
            state='active' if self._active else 'inactive',
            fault=self._fault,
            mode=pipeline.config.streaming.mode,
            weights=pipeline.weights_description,
            trained=pipeline.trained,
            fallback=pipeline.fallback,
            device_memory=pipeline.device_memory,
            backend=pipeline.backend,
            backend_fault=pipeline.backend_fault,
        )

"""Start the depth node on a driving camera: rectified images in; depth, cloud, motion and TF out.

    ros2 launch gemdepth_ros driving.launch.py image:=/kitti/camera_color_left/image_raw \
        camera_info:=/kitti/camera_color_left/camera_info weights:=gemdepth-vitl

Starts one process, the lifecycle node ``gemdepth_ros/depth_node``. Arguments:

    image         image topic                                    (/camera/image_rect)
    camera_info   its camera_info topic                          (/camera/camera_info)
    namespace     namespace of the node                          ('')
    params_file   YAML file with the node's parameters           (config/driving.yaml)
    weights       weights: a file, or a name that `gemdepth-ros weights list` shows
    network       network: auto (the one that the weights fit), vitl or small
    tf_mode       what goes to /tf: none or camera
    autostart     configure and activate by itself; with false a lifecycle manager does
    use_sim_time  take time from /clock, as when a bag is played with --clock
    qos           how images are subscribed: auto, reliable or best_effort

What has no default above keeps the value of ``params_file`` unless it is given. Without weights
the network is a seeded one whose output means nothing; ~/status says so.

Also sets FASTRTPS_DEFAULT_PROFILES_FILE (read by Fast DDS 2: Humble to Jazzy) and
FASTDDS_DEFAULT_PROFILES_FILE (Fast DDS 3: Kilted and later) to config/fastdds_shm.xml unless one
of them is set: the default shared memory of Fast DDS is too small for images. The camera driver
needs the same setting.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from launch import LaunchDescription

SHARE = get_package_share_directory('gemdepth_ros')
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

# (name, default, help)
ARGUMENTS = (
    ('image', '/camera/image_rect', 'image topic'),
    ('camera_info', '/camera/camera_info', 'camera_info topic'),
    ('namespace', '', 'namespace of the node'),
    ('params_file', os.path.join(SHARE, 'config', 'driving.yaml'), 'YAML file with parameters'),
)
# (name, parameter of the node, type, help): when given, it goes before that of params_file.
PARAMETERS = (
    ('weights', 'network.weights', str, 'weights: a file or a known name'),
    ('network', 'network.preset', str, 'network of the weights: auto, vitl or small'),
    ('tf_mode', 'tf_mode', str, 'what goes to /tf: none or camera'),
    ('autostart', 'autostart', bool, 'start without a lifecycle manager: true or false'),
    ('use_sim_time', 'use_sim_time', bool, 'take time from /clock: true or false'),
    ('qos', 'qos', str, 'how images are subscribed: auto, reliable or best_effort'),
)


def given_parameters(context):
    """Return the node's parameters that the command line gave a value."""
    given = {}
    for name, parameter, kind, _ in PARAMETERS:
        text = LaunchConfiguration(name).perform(context)
        if text and kind is bool and text.lower() not in ('true', 'false'):
            raise ValueError(f'{name}:={text} must be true or false')
        if text:
            given[parameter] = text.lower() == 'true' if kind is bool else text
    return given


def depth_node(context):
    """Return the node's action, now that the arguments have their values."""
    return [
        LifecycleNode(
            package='gemdepth_ros',
            executable='depth_node',
            name='depth_node',
            namespace=LaunchConfiguration('namespace'),
            parameters=[LaunchConfiguration('params_file'), given_parameters(context)],
            remappings=[
                ('image', LaunchConfiguration('image')),
                ('camera_info', LaunchConfiguration('camera_info')),
            ],
            output='screen',
            emulate_tty=True,
        )
    ]


def generate_launch_description():
    """Return what ``ros2 launch gemdepth_ros driving.launch.py`` starts."""
    given = [os.environ[name] for name in PROFILES if os.environ.get(name)]
    profile = given[0] if given else os.path.join(SHARE, 'config', 'fastdds_shm.xml')
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(n, default_value=d, description=h) for n, d, h in ARGUMENTS),
            *(
                DeclareLaunchArgument(name, default_value='', description=text)
                for name, _, _, text in PARAMETERS
            ),
            *(
                SetEnvironmentVariable(name, profile)
                for name in PROFILES
                if not os.environ.get(name)
            ),
            OpaqueFunction(function=depth_node),
        ]
    )

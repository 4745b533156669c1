"""Start the depth node on a Jetson: driving.launch.py with CUDA and the profile of the board.

    ros2 launch gemdepth_ros jetson.launch.py profile:=orin_nx image:=/camera/image_raw weights:=gemdepth-vitl

Starts what driving.launch.py starts, with device cuda and config/profiles/<profile>.yaml, which keeps
the network within the memory that the board shares with everything else (docs/jetson.md: computed,
not measured on a board). Set the power mode yourself: sudo nvpmodel -m 0 && sudo jetson_clocks.
Arguments:

    cameras          names of the cameras, by commas; none: all of the rig, or one without a name
    namespace        namespace of the node; of several cameras: of their own namespaces
    rig              rig description (YAML, see config/rig_kitti.yaml): topics, heights, masks, transforms
    rig_tf           publish the rig's static transforms                      (true)
    image            image topic; {camera} stands for the camera's name       (the rig's, or /camera/image_rect)
    camera_info      its camera_info topic                                    (the rig's, or /camera/camera_info)
    odometry         wheel odometry topic, for grounding                      (odometry)
    lidar            LiDAR topic, for grounding                               (lidar/points)
    imu              IMU topic, for grounding; sets use_imu                   (imu)
    sky_mask         topic of sky masks, for grounding                        (sky_mask)
    params_file      YAML file with the node's parameters                     (config/driving.yaml)
    profile          orin_nano, orin_nx, agx_orin or thor, or a YAML file; must be given
    weights          a weights file, a name that `gemdepth-ros weights list` shows, or none: random, as in the profiles
    network          auto (the one that the weights fit), vitl, small, tiny or vda-small (docs/vda.md)
    device           auto, cpu, cuda or cuda:N                                (cuda)
    dtype            auto, float32, bfloat16 or float16
    mode             sliding or causal
    tf_mode          what goes to /tf: none, camera, odom_to_base or inverted
    base_frame       the vehicle's frame, for odom_to_base and inverted
    rectified        whether the images are rectified: auto, true or false
    camera_height    of the camera above the ground [m]
    camera_pitch     of its axis below the horizon [deg]
    self_mask        PNG of the image's size, white where the camera sees its own vehicle
    image_transport  raw or compressed
    qos              how images are subscribed: auto, reliable or best_effort
    autostart        configure and activate by itself; with false a lifecycle manager does
    use_sim_time     take time from /clock
    grounding        sources of metres, by commas: ground_plane, lidar, odometry, parallax, sky, manual,
                     metric_network
    rviz             start RViz: true shows clouds, motion the way driven     (false)
    bag              bag to play once the node listens
    bag_rate         2.0 plays twice as fast as recorded                      (1.0)

What has no default keeps the value of the rig, of ``profile`` or of ``params_file``, in this order,
unless it is given.
"""

from pathlib import Path

from gemdepth_ros.launching import description

SHARE = Path(__file__).absolute().parents[1]


def generate_launch_description():
    """Return what ``ros2 launch gemdepth_ros jetson.launch.py`` starts."""
    return description.driving(SHARE, {'device': 'cuda'}, required=('profile',))

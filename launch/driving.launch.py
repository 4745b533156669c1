"""Start the depth node on a driving camera: images in; depth, clouds, motion and TF out.

    ros2 launch gemdepth_ros driving.launch.py image:=/kitti/camera_color_left/image_raw \
        camera_info:=/kitti/camera_color_left/camera_info weights:=gemdepth-vitl camera_height:=1.65 \
        grounding:=ground_plane
    ros2 launch gemdepth_ros driving.launch.py rig:=my_rig.yaml bag:=drive.mcap rviz:=true

Starts the lifecycle node ``gemdepth_ros/depth_node``, one for each camera; with a rig a process that
publishes its static transforms; with ``rviz`` RViz; with ``bag`` a player. Arguments:

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
    profile          more parameters: a name in config/profiles, or a YAML file
    weights          a weights file, a name that `gemdepth-ros weights list` shows, or none: random
    network          auto (the one that the weights fit), vitl, small, tiny or vda-small (docs/vda.md)
    device           auto, cpu, cuda or cuda:N
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
unless it is given. The weights of params_file are gemdepth-tiny, for demonstration; with weights:=none
the network is a seeded one whose output means nothing; ~/status says so. Several cameras get a node
each, in a namespace of the camera's name.

Also sets FASTRTPS_DEFAULT_PROFILES_FILE and FASTDDS_DEFAULT_PROFILES_FILE to config/fastdds_shm.xml
unless one of them is set: the default shared memory of Fast DDS is too small for images. The camera
driver needs the same setting.
"""

from pathlib import Path

from gemdepth_ros.launching import description

SHARE = Path(__file__).absolute().parents[1]


def generate_launch_description():
    """Return what ``ros2 launch gemdepth_ros driving.launch.py`` starts."""
    return description.driving(SHARE)

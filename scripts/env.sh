# Source me (bash or zsh): enters .venv with its ROS 2, and has Fast DDS keep large images (config/fastdds_shm.xml).
_gemdepth_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd -P)
_gemdepth_profile="${FASTRTPS_DEFAULT_PROFILES_FILE:-${FASTDDS_DEFAULT_PROFILES_FILE:-$_gemdepth_root/config/fastdds_shm.xml}}"
export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$_gemdepth_profile}" # Fast DDS 2: Humble to Jazzy
export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$_gemdepth_profile}"   # Fast DDS 3: Kilted and later
unset _gemdepth_profile
# Waiting threads of the network sleep: spinning, they starve the other processes of a small machine.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
if [ -f "$_gemdepth_root/.venv/setup.sh" ]; then
  . "$_gemdepth_root/.venv/setup.sh"
else
  echo "env.sh: no environment yet: run $_gemdepth_root/scripts/setup_env.sh" >&2
fi
unset _gemdepth_root

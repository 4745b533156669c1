"""An evaluation through the live node over DDS, in real time."""

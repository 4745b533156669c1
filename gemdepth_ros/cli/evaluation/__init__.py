"""The parts of ``gemdepth-ros evaluate``: sources with their truth, predictions, the replay."""

"""The parts of ``gemdepth-ros reconstruct``: frames in, one accumulated cloud out."""

"""From affine-invariant disparity to metres: numbers, never images."""

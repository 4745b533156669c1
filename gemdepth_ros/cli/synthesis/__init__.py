"""``gemdepth-ros bag synthesize``: a rendered drive and what its instruments measure, as a bag.

`options` says what is wanted, `rig` where the instruments sit, `faults` what the camera does
wrong; `camera` and `instruments` make the messages, `write` puts them into a bag.
"""

"""Losses, clips of the synthetic world and the loop that trains GemDepth on them."""

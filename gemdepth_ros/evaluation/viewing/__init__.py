"""Recordings for viewers of other projects."""

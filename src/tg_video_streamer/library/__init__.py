"""Finished encodes that are kept: played again as packets, with no ffmpeg, and without their source where that is down."""

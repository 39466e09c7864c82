"""Cached encodes: finished encodes that play again without ffmpeg, and without their source during an outage."""

"""Builds all ffmpeg command lines and runs all child processes."""

"""The only place that builds ffmpeg command lines and owns child processes."""

"""The settings: read, checked, and read again while the channel is on air."""

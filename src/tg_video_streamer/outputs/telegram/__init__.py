"""The output `telegram`: its two transports, and the watch that proves delivery."""

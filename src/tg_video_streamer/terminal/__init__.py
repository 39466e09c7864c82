"""The live view of a service that runs in a terminal: a table that stays below, log lines that scroll above it."""

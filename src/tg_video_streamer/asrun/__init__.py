"""The as-run log: what was on air from when to when, written, read back and as history."""

"""Tells other programs what happens: one signed HTTP request for each event."""

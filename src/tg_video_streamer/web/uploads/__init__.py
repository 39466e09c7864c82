"""Uploads of media files into one folder."""

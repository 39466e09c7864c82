"""Telethon's client: credentials, connection limits, errors and deadlines."""

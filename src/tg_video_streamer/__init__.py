"""Keeps one Telegram channel on air around the clock: a playlist becomes one unbroken broadcast."""

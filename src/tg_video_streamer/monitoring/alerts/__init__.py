"""Alerts to people: which events raise one, how often they are sent, and the child process that sends them with Apprise."""

"""Tells people of trouble: which alert is worth a message, how often, and the child process that sends it through Apprise."""

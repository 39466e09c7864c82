"""Tells people of trouble: what is worth a message, how often, and the child process that sends it through Apprise."""

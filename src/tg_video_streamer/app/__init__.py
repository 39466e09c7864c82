"""The composition root: makes every part of the service, starts the parts in order and stops them in reverse."""

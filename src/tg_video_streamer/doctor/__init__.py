"""Looks at host, settings and service as they are now, and says in a line each what is well and what to do about the rest."""

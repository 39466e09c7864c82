"""Decides what plays: primes coming items, follows playlist and schedule, and offers sources to the playout."""

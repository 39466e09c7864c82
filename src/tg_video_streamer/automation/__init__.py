"""Decides what plays: primes coming items, follows playlist and schedule, and hands sources to the playout."""

"""Checks host, settings and service, with one finding for each thing and a remedy for each problem."""

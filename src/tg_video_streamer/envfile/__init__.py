"""Reads, writes and watches `.env` files; needs nothing but the standard library."""

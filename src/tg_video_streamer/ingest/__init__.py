"""Live takeover: lets the operator's own stream in, and puts it on air in place of the playlist."""

"""What a source holds: streams, duration and loudness, found by a child process."""

"""Whether the service as a whole does its job: health, watchdog, quarantine of sources."""

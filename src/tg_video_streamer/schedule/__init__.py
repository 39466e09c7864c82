"""The schedule of `schedule.toml`: dayparts, shows at their times, and station IDs."""

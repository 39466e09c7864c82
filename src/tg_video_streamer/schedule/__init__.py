"""When what plays: day parts, shows at their time and station ids, out of `schedule.toml`."""

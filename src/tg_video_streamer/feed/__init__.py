"""One item as house-format packets: probing, one ffmpeg child an item, and the handler that retries it."""

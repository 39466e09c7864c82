"""Where an item is now: the real yt-dlp as a child process, and files on disk."""

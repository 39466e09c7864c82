"""Where the program goes: one file a kind of output, one handler that retries."""

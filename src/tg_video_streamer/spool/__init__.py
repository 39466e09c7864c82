"""Downloads of finite web and Telegram media to local files, ahead of need."""

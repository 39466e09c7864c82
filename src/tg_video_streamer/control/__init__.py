"""The commands that the command line, the page, the chat and the API share, and the status that they all read."""

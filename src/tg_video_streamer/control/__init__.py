"""The verbs that the command line, the web page and the chat share, and the local socket that carries them."""

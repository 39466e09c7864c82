"""What to play: entries, lists, folders, their order, and the position in them."""

"""The live picture on the page: fragmented MP4 and HLS."""

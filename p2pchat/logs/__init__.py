"""What the program says about itself: levels, limits, formats, files."""

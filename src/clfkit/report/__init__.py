"""The report of a run: one HTML file that shows what was trained, on what, how well, and where it is wrong."""

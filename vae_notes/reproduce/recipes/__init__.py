"""One file a recorded run; each defines ``RECIPE``. The name of the run is the file's, with hyphens."""

"""What only measures: banks of millions, a rival written by hand, processes timed in turns."""

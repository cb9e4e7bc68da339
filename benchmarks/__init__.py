"""What only measures: banks of millions, rivals written by hand, processes timed in turns."""

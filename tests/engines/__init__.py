"""One code, any engine: the same answers, nothing carried away, and a clear end when it fails."""

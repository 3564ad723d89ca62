"""From detector frames to line integrals that can be reconstructed: one correction a module."""

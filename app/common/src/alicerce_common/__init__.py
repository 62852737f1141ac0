"""What every Alicerce service shares."""

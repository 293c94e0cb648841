"""Who is measured: one small class each."""

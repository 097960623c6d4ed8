"""Values derived from many samples of a device: windows, rates, balances, baselines, counts."""

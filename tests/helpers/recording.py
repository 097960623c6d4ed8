"""A year of 92 real water meters, beside the repository: the DAIAD trial (github.com/DAIAD/data, CC BY-SA 4.0)."""

from pathlib import Path

RECORDING = Path(__file__).parents[3] / "shared" / "data" / "daiad-swm-trial-a.zip"
ROWS = 674_019

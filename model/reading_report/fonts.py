"""DejaVu Sans, which comes with matplotlib: it has the letters of most European languages."""

from pathlib import Path

import matplotlib

NORMAL, BOLD = "DejaVuSans", "DejaVuSans-Bold"


def path(name: str) -> str:
    """The TrueType file of NORMAL or BOLD."""
    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf")

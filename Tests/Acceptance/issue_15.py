"""Issue 15: the three promises on real grids and real files. QUICK=1 leaves out what takes minutes; PARTS=files,masks,
tools,kernels,grids,long runs some of it."""
import os
import tempfile
from pathlib import Path

from harness import QUICK, Table
from issue_15_files import file_rows
from issue_15_masks import mask_rows
from issue_15_selection import grid_rows, kernel_rows, long_rows
from issue_15_tools import tool_rows

PARTS = {"files": file_rows, "masks": mask_rows, "tools": tool_rows, "kernels": lambda table, _: kernel_rows(table),
         "grids": grid_rows, "long": long_rows}
# The last is part of make test.
SLOW = ["grids", "long", "kernels", "masks"]


def main():
    chosen = os.environ.get("PARTS", "").split(",") if os.environ.get("PARTS") else [
        p for p in PARTS if not QUICK or p not in SLOW]
    table = Table("Issue 15: promises on real grids and files" + (" (quick part)" if QUICK else ""))
    for part in chosen:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](table, Path(folder))
    table.finish()


if __name__ == "__main__":
    main()

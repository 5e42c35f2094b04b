"""Run `docs/notebook.ipynb` with this interpreter and store its outputs: `python docs/run_notebook.py`.

Run `make compare` before: the last cell shows that study.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOK = Path(__file__).resolve().with_name("notebook.ipynb")


def read() -> NotebookNode:
    """Read the stored notebook."""
    return nbformat.read(NOTEBOOK, as_version=4)


def run(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells and return the notebook with new outputs.

    Args:
        notebook: Stays as it is.
        folder: The working directory of the cells.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell fails; it holds the cell and the traceback.
    """
    copy = nbformat.from_dict(notebook)
    # Without folders to search, the only kernel is that of the ipykernel installed here. One that the user registered
    # under the same name may run another Python.
    kernels = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    quiet = ["--log-level=ERROR"]  # it warns that other users of this machine could listen
    where = {"metadata": {"path": folder}}
    client = NotebookClient(copy, km=kernels, timeout=300, record_timing=False, resources=where, extra_arguments=quiet)
    client.execute(cleanup_kc=True)
    # The interpreter's version would make each run another file.
    copy.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return copy


if __name__ == "__main__":
    nbformat.write(run(read(), NOTEBOOK.parent), NOTEBOOK)
    print(f"{NOTEBOOK.name}: {NOTEBOOK.stat().st_size / 1000:.0f} kB")

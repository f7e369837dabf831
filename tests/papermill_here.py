"""Papermill in this process: its command line, parameters and working folder, without a kernel that imports all anew."""

import sys
import warnings

import matplotlib
import matplotlib.pyplot as plt
import pytest
from click.testing import CliRunner
from execnb.shell import CaptureShell
from IPython.core.interactiveshell import InteractiveShell
from papermill.cli import papermill
from papermill.engines import Engine, papermill_engines


class Here(Engine):
    """Runs the cells in a new shell of this process, and leaves the process as it was."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **options):
        backend = matplotlib.get_backend()
        with matplotlib.rc_context(), warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("ignore", DeprecationWarning)  # of the shell itself, as %config sets it up
            patch.setattr(InteractiveShell, "_instance", None)
            patch.setattr(sys, "path", [*sys.path])
            patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
            try:
                shell = CaptureShell()
                for cell in nb_man.nb.cells:
                    if cell.cell_type == "code" and (error := shell.run_cell(cell.source, store_history=True).exception):
                        raise error
            finally:
                plt.close("all")
                plt.switch_backend(backend)


papermill_engines.register("here", Here)


def papermill_here(*arguments, cwd, environment=None):
    """The error that papermill ended with, or None; called in the folder `cwd`, with `environment` beside what is set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        command = ["--no-progress-bar", "--engine", "here", *map(str, arguments)]
        return CliRunner().invoke(papermill, command).exception

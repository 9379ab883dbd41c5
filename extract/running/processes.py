"""Several processes, on one host or many, that share one run: started by ``accelerate launch``.

The launcher sets the environment; accelerate is only imported where there is more than one process.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from typing import Any

from ..errors import ExtractError
from ..saying import first_line

_PATIENCE = datetime.timedelta(days=7)
"""How long a process waits for the others; they may have much more to do."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run, as one of them sees them.

    Attributes:
        number: of this process, from 0.
        count: of all.
        local: number of this process among those on its host.
    """

    number: int = 0
    count: int = 1
    local: int = 0
    _state: Any = None

    @classmethod
    def join(cls, *, cpu: bool) -> Processes:
        """Finds the others, if there are any.

        Args:
            cpu: no accelerator is used.

        Raises:
            ExtractError: there should be several, and they cannot find each other.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return cls()
        try:
            from accelerate import PartialState
        except ImportError:
            raise ExtractError(
                "Several processes were started (WORLD_SIZE is set), but the package accelerate is "
                "missing; pip install accelerate."
            ) from None
        try:
            state = PartialState(cpu=cpu, timeout=_PATIENCE)
        except (RuntimeError, ValueError, OSError) as error:
            raise ExtractError(
                f"The processes of this run could not find each other ({first_line(error)}); "
                "start them with accelerate launch."
            ) from error
        return cls(state.process_index, state.num_processes, state.local_process_index, state)

    @property
    def first(self) -> bool:
        """Whether this is the process that puts the file together."""
        return self.number == 0

    def mine(self, window: int) -> bool:
        """Whether a window of the data is this process's."""
        return window % self.count == self.number

    def wait(self) -> None:
        """Waits until all processes are here."""
        if self._state is not None:
            self._state.wait_for_everyone()

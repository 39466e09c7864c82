"""How much of a processor this process gets at the moment, so that a limit in seconds holds on a busy machine too."""

from __future__ import annotations

import threading
import time

_WORK_SECONDS = 0.002
_PAUSE_SECONDS = 0.05


class Stopwatch:
    """Begins when it is made; `stop` returns the seconds that have passed, as if the processor had had nothing else to do.

    A thread does a little work again and again: where that takes three times as long as it computes, others have two
    thirds of the machine, and a third of the time counts.
    """

    def __init__(self) -> None:
        self._computed = self._passed = 0.0
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._sample, name="stopwatch", daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The seconds."""
        taken = time.monotonic() - self._began
        self._ended.set()
        self._thread.join()
        return taken * min(1.0, self._computed / self._passed)

    def _sample(self) -> None:
        while True:
            began, used = time.monotonic(), time.thread_time()
            while (computed := time.thread_time() - used) < _WORK_SECONDS:
                pass
            self._passed += time.monotonic() - began
            self._computed += computed
            if self._ended.wait(_PAUSE_SECONDS):
                return

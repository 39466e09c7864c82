"""Hosts as network namespaces with addresses of their own on one bridge: a link can be cut, or a way be closed in one direction."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

_BITS = 24


def networks_missing() -> str:
    """Why there can be none here; empty where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"try{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "network namespaces cannot be made here"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


def delay_missing() -> str:
    """Why no network can be made slow and lossy here; empty where one can."""
    with Bridge(["a"]) as bridge:
        return "" if bridge.slow("a", "200ms", "5%") else "this kernel has no netem"


class Bridge:
    """A context with one namespace for each name; nothing in it reaches any other network."""

    def __init__(self, names: Sequence[str]) -> None:
        # The names of interfaces have 15 letters at most; two stands may run at once.
        self._mark = f"{os.getpid() % 46_656:x}"
        self._subnet = f"10.99.{os.getpid() % 250}"
        self.names = tuple(names)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as made:
            self._add(made, ("netns", "add", self._space("br")), ("netns", "del", self._space("br")))
            self._ip("br", "link", "add", "br0", "type", "bridge")
            self._ip("br", "link", "set", "br0", "up")
            for number, name in enumerate(self.names, 1):
                self._add(made, ("netns", "add", self._space(name)), ("netns", "del", self._space(name)))
                self._ip(name, "link", "set", "lo", "up")
                port = f"p{number}"
                self._ip("br", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self._space(name))
                self._ip("br", "link", "set", port, "master", "br0", "up")
                self._ip(name, "address", "add", f"{self.address(name)}/{_BITS}", "dev", "eth0")
                self._ip(name, "link", "set", "eth0", "up")
            self._stack = made.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def address(self, name: str) -> str:
        """Of a host."""
        return f"{self._subnet}.{self.names.index(name) + 1}"

    def inside(self, name: str) -> list[str]:
        """What goes before a command line that is to run on a host."""
        return ["ip", "netns", "exec", self._space(name)]

    def cut(self, name: str) -> None:
        """Pull the cable."""
        self._ip("br", "link", "set", f"p{self.names.index(name) + 1}", "down")

    def join(self, name: str) -> None:
        """Put it back."""
        self._ip("br", "link", "set", f"p{self.names.index(name) + 1}", "up")

    def close_way(self, name: str, to: str) -> None:
        """What `name` sends to `to` is lost; what comes from there arrives."""
        self._ip(name, "route", "add", "blackhole", f"{self.address(to)}/32")

    def open_way(self, name: str, to: str) -> None:
        """Undo it."""
        self._ip(name, "route", "del", "blackhole", f"{self.address(to)}/32")

    def slow(self, name: str, delay: str, loss: str) -> bool:
        """Delay and lose what a host sends; False where the kernel cannot."""
        command = ["tc", "qdisc", "replace", "dev", "eth0", "root", "netem", "delay", delay, "loss", loss]
        return subprocess.run([*self.inside(name), *command], capture_output=True, check=False).returncode == 0

    def quick(self, name: str) -> None:
        """Undo it."""
        subprocess.run([*self.inside(name), "tc", "qdisc", "del", "dev", "eth0", "root"], check=True)

    def _space(self, name: str) -> str:
        return f"tgv{self._mark}-{name}"

    def _ip(self, name: str, *words: str) -> None:
        subprocess.run(["ip", "-n", self._space(name), *words], check=True)

    def _add(self, stack: ExitStack, add: Sequence[str], remove: Sequence[str]) -> None:
        subprocess.run(["ip", *add], check=True)
        stack.callback(subprocess.run, ["ip", *remove], check=True)

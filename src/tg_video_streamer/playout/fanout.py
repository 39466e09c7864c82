"""Hands the program to every output through its own bounded queue, so that no output can slow another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from tg_video_streamer.media import CodecHeaders, FrameRate, Kind, Stamped


class SubscriptionClosed(Exception):
    """The program, or the owner of the subscription, has ended it."""


class Subscription:
    """One output's queue; starts at the keyframe of the current GOP."""

    def __init__(self, *, limit_frames: int) -> None:
        """With more than `limit_frames` pictures waiting, all packets up to the next keyframe are dropped."""
        self._limit_frames = limit_frames
        self._packets: deque[Stamped] = deque()
        self._frames = 0
        self._waiting_for_keyframe = True
        self._closed = False
        self._finished = False
        self._changed = threading.Condition()
        self.dropped = 0
        """Packets that the output was too slow for, since the subscription started."""

    def take(self, timeout: float) -> list[Stamped]:
        """All waiting packets, in program order; empty after `timeout` seconds without one.

        The first packet, and the first after a loss, is a video keyframe. Raises SubscriptionClosed.
        """
        with self._changed:
            if not self._packets and not self._closed and not self._finished:
                self._changed.wait(timeout)
            if self._closed or (self._finished and not self._packets):
                raise SubscriptionClosed
            packets = list(self._packets)
            self._packets.clear()
            self._frames = 0
            return packets

    def finish(self) -> None:
        """No packet follows: those that wait can still be taken, then `take` raises SubscriptionClosed."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """End it; a waiting `take` raises SubscriptionClosed at once."""
        with self._changed:
            self._closed = True
            self._packets.clear()
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    def offer(self, packets: Sequence[Stamped]) -> None:
        """Queue one slice; never waits."""
        with self._changed:
            if self._closed:
                return
            for packet in packets:
                self._offer_one(packet)
            self._changed.notify_all()

    def _offer_one(self, packet: Stamped) -> None:
        picture = packet.kind is Kind.VIDEO
        if picture and self._frames >= self._limit_frames:
            self.dropped += len(self._packets)
            self._packets.clear()
            self._frames = 0
            self._waiting_for_keyframe = True
        if self._waiting_for_keyframe and not (picture and packet.keyframe):
            self.dropped += 1
            return
        self._waiting_for_keyframe = False
        self._packets.append(packet)
        self._frames += picture


class Fanout:
    """Hands each slice of the program to every subscription; holds the current GOP for new ones."""

    def __init__(self, headers: CodecHeaders, rate: FrameRate, may_send: Callable[[], bool] = lambda: True) -> None:
        """Neither headers nor rate change while the program runs. `may_send`: whether this host is on air with it now."""
        self.may_send = may_send
        self.headers = headers
        self.rate = rate
        self._gop: list[Stamped] = []
        self._subscriptions: list[Subscription] = []
        self._lock = threading.Lock()

    def subscribe(self, *, limit_seconds: float = 10.0) -> Subscription:
        """A new queue that starts with the current GOP; the caller closes it. `limit_seconds`: see Subscription."""
        subscription = Subscription(limit_frames=max(self.rate.gop_frames * 2, round(limit_seconds * self.rate)))
        with self._lock:
            subscription.offer(self._gop)
            # Packets before the GOP's keyframe are no loss: this output was not subscribed yet.
            subscription.dropped = 0
            self._subscriptions.append(subscription)
        return subscription

    def publish(self, packets: Sequence[Stamped]) -> None:
        """Hand one slice, in program order, to every subscription; never waits."""
        with self._lock:
            for packet in packets:
                if packet.keyframe and packet.kind is Kind.VIDEO:
                    self._gop.clear()
                self._gop.append(packet)
            self._subscriptions = [one for one in self._subscriptions if not one.closed]
            for one in self._subscriptions:
                one.offer(packets)

    def finish(self) -> None:
        """The program is over: every subscription ends after its last packet was taken."""
        with self._lock:
            for one in self._subscriptions:
                one.finish()

    def close(self) -> None:
        """End every subscription at once."""
        with self._lock:
            for one in self._subscriptions:
                one.close()
            self._subscriptions.clear()

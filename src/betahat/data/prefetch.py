"""The next item is made in a thread while the consumer works on this one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(make: Callable[[], Iterator[Item]], ahead: int = 4) -> Generator[Item, None, None]:
    """The items of `make()`, made in a thread that is at most `ahead` + 1 items in front.

    An exception in the thread is raised here; leaving early stops and joins the thread.
    """
    ready: Queue[tuple[bool, Item | BaseException | None]] = Queue(maxsize=ahead)
    leave = Event()

    def work() -> None:
        try:
            items = make()
            try:
                for item in items:
                    ready.put((True, item))
                    if leave.is_set():
                        return
            finally:
                if isinstance(items, Generator):
                    items.close()
            ready.put((False, None))
        except BaseException as error:
            ready.put((False, error))

    thread = Thread(target=work, name="betahat-prefetch", daemon=True)
    try:
        thread.start()  # in here, since Ctrl-C may come between any two lines
        while True:
            more, item = ready.get()
            if more:
                yield item  # pyright: ignore[reportReturnType]
            elif isinstance(item, BaseException):
                raise item
            else:
                return
    finally:
        leave.set()
        while thread.is_alive():
            try:  # a thread that waits for room in the queue must be let go
                ready.get_nowait()
            except Empty:
                thread.join(0.005)

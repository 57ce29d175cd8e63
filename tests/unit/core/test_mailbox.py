import threading

import pytest

from perception.core.mailbox import Closed, Mailbox


def test_a_full_mailbox_drops_the_oldest_and_counts_it():
    box = Mailbox(2)
    assert [box.put(i) for i in range(4)] == [0, 0, 1, 1]
    assert [box.get(), box.get()] == [2, 3]
    assert (box.num_put, box.num_dropped, box.num_taken, len(box)) == (4, 2, 2, 0)


def test_an_empty_mailbox_returns_nothing_after_the_timeout():
    assert Mailbox(1).get(timeout=0.01) is None


def test_a_closed_mailbox_gives_what_it_holds_then_raises():
    box = Mailbox(3)
    box.put("a")
    box.close()
    assert box.get() == "a"
    with pytest.raises(Closed):
        box.get()
    with pytest.raises(Closed):
        box.put("b")


def test_a_waiting_writer_loses_nothing():
    box = Mailbox(2)
    writer = threading.Thread(target=lambda: ([box.put_wait(i) for i in range(100)], box.close()))
    writer.start()
    got = []
    with pytest.raises(Closed):
        while True:
            got.append(box.get(timeout=5))
    writer.join()
    assert got == list(range(100))
    assert box.num_dropped == 0


def test_closing_wakes_a_waiting_writer():
    box = Mailbox(1)
    box.put(0)
    failures = []

    def write():
        try:
            box.put_wait(1)
        except Closed:
            failures.append("closed")

    writer = threading.Thread(target=write)
    writer.start()
    box.close()
    writer.join(timeout=5)
    assert failures == ["closed"]


def test_clearing_counts_what_is_thrown_away():
    box = Mailbox(5)
    for i in range(3):
        box.put(i)
    box.clear()
    assert (len(box), box.num_dropped) == (0, 3)


def test_capacity_below_one_is_refused():
    with pytest.raises(ValueError, match="capacity"):
        Mailbox(0)


def test_an_item_takes_the_place_of_those_that_it_replaces_and_all_are_counted():
    box = Mailbox(3)
    for item in ("a1", "b1", "a2", "c1", "b2"):
        box.put(item, replaces=lambda old, item=item: old[0] == item[0])
    assert [box.get(0.0) for _ in range(3)] == ["a2", "c1", "b2"]
    assert (box.num_put, box.num_dropped, box.num_taken) == (5, 2, 3)
    for item in ("a", "b", "c", "d"):
        box.put(item, replaces=lambda old: False)
    assert [box.get(0.0) for _ in range(3)] == ["b", "c", "d"]


def test_what_is_unwanted_goes_and_is_counted_and_the_rest_keeps_its_order():
    box = Mailbox(10)
    for item in range(6):
        box.put(item)
    box.discard(lambda item: item % 2 == 0)
    assert [box.get(), box.get(), box.get()] == [1, 3, 5]
    assert (box.num_put, box.num_dropped, box.num_taken) == (6, 3, 3)

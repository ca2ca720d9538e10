"""What this machine has, and what is refused before it is begun."""

import os

import pytest

from keras_vae import memory


def test_it_is_no_more_than_the_system_says():
    assert memory.machine_memory() > 2**28
    with open("/proc/meminfo") as file:
        kilobytes = int(file.readline().split()[1])
    assert memory.machine_memory() <= kilobytes * 1024


def test_a_container_has_its_own_limit(monkeypatch):
    limits = {"/sys/fs/cgroup/memory.max": "1048576\n"}

    def read_text(path):
        if str(path) not in limits:
            raise FileNotFoundError(path)
        return limits[str(path)]

    monkeypatch.setattr(memory.Path, "read_text", read_text)
    assert memory.machine_memory() == 2**20
    limits["/sys/fs/cgroup/memory.max"] = "max\n"
    assert memory.machine_memory() > 2**20
    monkeypatch.delattr(os, "sysconf")
    assert memory.machine_memory() == float("inf")


def test_four_fifths_may_be_asked_for(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 1000 * 10**6)
    memory.check_memory("This", 800 * 10**6, "Ask for less.")
    message = r"This would take about 0.9 GB .* machine has 1 GB. Ask for less."
    with pytest.raises(ValueError, match=message):
        memory.check_memory("This", 900 * 10**6, "Ask for less.")

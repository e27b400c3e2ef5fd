"""Machines of a test: network namespaces with addresses of their own, joined by a bridge."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def namespaces(count: int) -> Iterator[list[tuple[tuple[str, ...], str]]]:
    """Yield (command prefix, address) of machines that see each other and nothing else.

    Skips the test where the system does not permit it; nothing outside the namespaces changes.
    """
    tag = f"vqa{os.getpid()}"
    names = [f"{tag}-{n}" for n in range(count)]
    try:
        for name in names:
            _ip(f"netns add {name}")
            _ip(f"-n {name} link set lo up")
        first = names[0]
        _ip(f"-n {first} link add bridge type bridge")
        _ip(f"-n {first} addr add 10.77.0.1/24 dev bridge")
        _ip(f"-n {first} link set bridge up")
        for n, name in enumerate(names[1:], 1):
            _ip(f"-n {first} link add port{n} type veth peer name eth0 netns {name}")
            _ip(f"-n {first} link set port{n} master bridge up")
            _ip(f"-n {name} addr add 10.77.0.{n + 1}/24 dev eth0")
            _ip(f"-n {name} link set eth0 up")
        yield [(("ip", "netns", "exec", name), f"10.77.0.{n + 1}") for n, name in enumerate(names)]
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system does not permit network namespaces: {error}")
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, capture_output=True)

"""Defaults for kinds of machines: which profile of `profiles.yaml` fits this one, and why."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_node.machine import hardware
from edge_node.machine.hardware import Hardware
from shared import settings
from shared.configuration import declared
from shared.configuration.yaml_file import read_yaml
from shared.errors import ConfigError

FILE = Path(__file__).with_name("profiles.yaml")


@dataclass(frozen=True, kw_only=True)
class When:
    """The conditions of a profile, all of which must hold; `profiles.yaml` explains them."""

    jetson: str | None = None
    machine: str | None = None
    cores_max: int | None = None
    memory_mb_max: int | None = None
    gpu: bool | None = None
    gpu_memory_mb_max: int | None = None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Defaults for a kind of machine.

    Attributes:
        about: The kind of machine, in words.
        when: When the profile fits; None: it is only used when the configuration names it.
        settings: Values by configuration key; a ``*`` in a key stands for every camera.
    """

    about: str
    when: When | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A profile, and the reason for choosing it."""

    name: str
    profile: Profile
    why: str

    def __str__(self) -> str:
        values = ", ".join(f"{key}={value}" for key, value in self.profile.settings.items())
        return f"{self.name} ({self.profile.about}), because {self.why}: {values}"


def read(file: Path = FILE) -> dict[str, Profile]:
    """The profiles in the order of the file.

    Raises:
        ConfigError: The file is not valid.
    """
    raw = declared.typed(dict[str, Profile], read_yaml(file))
    return {name: settings.convert(Profile, one, where=f"{file.name}: {name}") for name, one in raw.items()}


def choose(name: str, machine: Hardware | None = None) -> Chosen | None:
    """The profile to use; None for "none", or when "auto" finds none that fits.

    Args:
        name: "auto", "none" or the name of a profile.
        machine: The machine that "auto" looks at; None for this one.

    Raises:
        ConfigError: There is no such profile.
    """
    profiles = read()
    if name == "none":
        return None
    if name != "auto":
        if name not in profiles:
            raise ConfigError(
                f"profile: {name!r}: no such profile; choose one of auto, none, {', '.join(profiles)}"
            )
        return Chosen(name=name, profile=profiles[name], why="the configuration names it")
    machine = machine or this_machine()
    for key, profile in profiles.items():
        conditions = list(_conditions(profile.when, machine)) if profile.when else []
        if conditions and all(holds for holds, _ in conditions):
            return Chosen(name=key, profile=profile, why=", ".join(fact for _, fact in conditions))
    return None


def base(raw: Mapping[str, Any]) -> settings.Base:
    """The lowest layer of the configuration: the defaults of the profile that the other layers name."""
    name = raw.get("profile", "auto")
    chosen = choose(name) if isinstance(name, str) else None
    if chosen is None:
        return settings.Base(name="no profile", values={})
    return settings.Base(name=f"profile {chosen.name}", values=chosen.profile.settings)


@functools.cache
def this_machine() -> Hardware:
    """The hardware of this machine, read once."""
    return hardware.find()


def _conditions(when: When, machine: Hardware) -> Iterator[tuple[bool, str]]:
    """For each condition: whether it holds, and the fact about the machine that decides it."""
    if when.jetson is not None:
        found = machine.jetson is not None and re.search(when.jetson, machine.jetson) is not None
        yield found, str(machine.jetson)
    if when.machine is not None:
        yield re.fullmatch(when.machine, machine.machine) is not None, machine.machine
    if when.cores_max is not None:
        yield machine.cores <= when.cores_max, f"{machine.cores} cores"
    if when.memory_mb_max is not None:
        # Memory of 0 means that it is unknown: such a machine does not count as small.
        yield 0 < machine.memory_mb <= when.memory_mb_max, f"{machine.memory_mb} MB of memory"
    if when.gpu is not None:
        there = bool(machine.gpus) or (machine.jetson is not None and not when.gpu)
        yield there == when.gpu, "a GPU" if there else "no GPU"
    if when.gpu_memory_mb_max is not None:
        least = min((gpu.memory_mb for gpu in machine.gpus), default=None)
        yield least is not None and least <= when.gpu_memory_mb_max, f"{least} MB of GPU memory"

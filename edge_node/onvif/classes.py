"""ONVIF's types of objects (tt:ObjectType and tt:VehicleType), and which class is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HUMAN, ANIMAL, VEHICLE, BICYCLE = "Human", "Animal", "Vehicle", "Bicycle"
TYPES = (
    HUMAN,
    ANIMAL,
    VEHICLE,
    BICYCLE,
    "HumanFace",
    "LicensePlate",
    "Bike",
    "Barcode",
    "Fire",
    "Smoke",
    "Drone",
)
"""The values of tt:ObjectType."""

_VEHICLES = {
    "car": "Car",
    "bus": "Bus",
    "truck": "Truck",
    "lorry": "Truck",
    "van": None,
    "motorcycle": "Motorcycle",
    "motorbike": "Motorcycle",
    "train": None,
    "boat": None,
    "airplane": None,
    "aeroplane": None,
}
"""By class: the value of tt:VehicleType; None where it has none that fits."""
_ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "animal")
_OTHERS = {
    "person": HUMAN,
    "pedestrian": HUMAN,
    "human": HUMAN,
    "people": HUMAN,
    "bicycle": BICYCLE,
    "vehicle": VEHICLE,
    "face": "HumanFace",
    "license plate": "LicensePlate",
    "licence plate": "LicensePlate",
    "number plate": "LicensePlate",
    "barcode": "Barcode",
    "fire": "Fire",
    "smoke": "Smoke",
    "drone": "Drone",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What ONVIF calls the objects of a class.

    Attributes:
        type: A value of tt:ObjectType, or any other text: the type is an open list.
        vehicle: A value of tt:VehicleType; None where it is none.
    """

    type: str
    vehicle: str | None = None


def kind(label: str, own: Mapping[str, str] | None = None) -> Kind:
    """What ONVIF calls a class.

    Args:
        label: Name of the class.
        own: Types by class that the user chose; they take precedence.

    Returns:
        The class's own name as its type where ONVIF has none.
    """
    name = label.lower().replace("_", " ").replace("-", " ").strip()
    vehicle = _VEHICLES.get(name)
    if own is not None and label in own:
        return Kind(own[label], vehicle if own[label] == VEHICLE else None)
    if name in _VEHICLES:
        return Kind(VEHICLE, vehicle)
    if name in _ANIMALS:
        return Kind(ANIMAL)
    return Kind(_OTHERS.get(name, label))


def kinds(labels: Sequence[str], own: Mapping[str, str] | None = None) -> list[Kind]:
    """What ONVIF calls each of a model's classes, by class id."""
    return [kind(label, own) for label in labels]

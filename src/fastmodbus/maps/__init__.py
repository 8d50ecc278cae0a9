"""Maps and plants: what a type of device offers, and which devices there are.

Descriptions, read from files; nothing here talks to a device. Everybody outside this package imports from here.
"""

from .device import Map, load_map, resolve
from .limits import Limits
from .plant import Plant, PlantDevice, load_plant

__all__ = ["Limits", "Map", "Plant", "PlantDevice", "load_map", "load_plant", "resolve"]

"""The table of ordinary scenes: none of them is a fault, however long it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.wire.messages import Problem
from tests.bench.health.made import camera, light, things, vehicles, weather
from tests.bench.health.made.paint import Make, Random, grainy, over
from tests.edge_node.health.films import Film


@dataclass(frozen=True)
class Scene:
    """What is ordinary.

    Attributes:
        make: Lays it over a film.
        may_be: What it may be called all the same, because nothing can be counted meanwhile.
        every: Whether every picture counts, and not only those at which a node looks.
        whole: Whether it takes a made-up day, from its begin to its end.
        first: Whether it goes on already when the node starts; otherwise the node has seen the view for 20 s.
    """

    make: Make
    may_be: frozenset[Problem] = field(default=frozenset())
    every: bool = False
    whole: bool = False
    first: bool = False


def _quiet(film: Film, random: Random) -> Film:
    return lambda t: grainy(film(t), 2, random)


_HIDES: frozenset[Problem] = frozenset({"covered"})
SCENES: Mapping[str, Scene] = {
    "nothing": Scene(_quiet),
    "day and night, infrared": Scene(over(light.day_and_night), whole=True),
    "day and night, street lamps": Scene(over(light.night_by_lamps), whole=True),
    "the node starts at night": Scene(over(light.night_first), first=True),
    "slow clouds": Scene(over(light.clouds(300, 4))),
    "fast clouds": Scene(over(light.clouds(120, 60))),
    "sun in and out": Scene(over(light.sun_in_and_out)),
    "long shadows": Scene(over(light.long_shadows), whole=True),
    "low sun": Scene(over(light.low_sun)),
    "headlights": Scene(over(light.headlights)),
    "lightning": Scene(over(light.lightning)),
    "lamps at 50 Hz": Scene(over(light.mains_flicker)),
    "exposure hunting": Scene(over(light.exposure_hunting)),
    "white balance": Scene(over(light.white_balance)),
    "sodium lamps": Scene(over(light.sodium_lamps)),
    "infrared cut": Scene(over(light.infrared_cut)),
    "room lights": Scene(over(light.room_lights)),
    "coloured lights": Scene(over(light.coloured_lights)),
    "rain": Scene(over(weather.rain(300, near=False))),
    "rain at night": Scene(over(weather.rain(140, near=True))),
    "the node starts in rain": Scene(over(weather.rain(300, near=False)), first=True),
    "snow": Scene(over(weather.snow)),
    "snow cover": Scene(over(weather.snow_cover), whole=True),
    "fog": Scene(over(weather.fog(0.4, 300))),
    "dense fog": Scene(over(weather.fog(0.22, 600))),
    "the node starts in fog": Scene(over(weather.fog(0.4, 300, 0.5)), first=True),
    "wind, 1 to 3 pixels": Scene(over(weather.shaken(0.004, 1.1))),
    "wind, 1 % of the width": Scene(over(weather.shaken(0.01, 0.7))),
    "wind, 1.5 %, slow": Scene(over(weather.shaken(0.015, 0.23))),
    "a leaning mast": Scene(over(weather.leaning), whole=True),
    "trees": Scene(over(weather.trees)),
    "wet ground": Scene(over(weather.wet_ground)),
    "drops on the lens": Scene(over(weather.drops_on_lens)),
    "a lens that steams up": Scene(over(weather.fogged_lens)),
    "insects": Scene(over(weather.insects)),
    "a spider": Scene(over(weather.spider)),
    "steam": Scene(over(weather.steam)),
    "sandstorm": Scene(over(weather.sandstorm)),
    "a person close, 5 to 60 s": Scene(over(things.person_close((5, 60))), every=True),
    "held close, 5 to 60 s": Scene(over(things.held), every=True),
    "a crowd": Scene(over(things.crowd)),
    "an umbrella": Scene(over(things.umbrella)),
    "a lorry stops, 60 %": Scene(over(vehicles.lorry((10, 120), 0.6)), every=True),
    "a lorry stops, 80 %": Scene(over(vehicles.lorry((10, 120), 0.8)), every=True),
    "a lorry stops, all": Scene(over(vehicles.lorry((10, 120), 1.05)), _HIDES, every=True),
    "the node starts behind a lorry": Scene(over(vehicles.lorry_first), first=True, every=True),
    "cars park": Scene(over(vehicles.parked), whole=True),
    "pallets": Scene(over(things.pallets)),
    "furniture": Scene(over(things.furniture)),
    "a door": Scene(over(things.door)),
    "shutters": Scene(over(things.shutter)),
    "a screen": Scene(over(things.screen)),
    "a conveyor belt": Scene(over(things.belt)),
    "a train": Scene(over(vehicles.train), every=True),
    "a flag": Scene(over(things.curtain)),
    "the lens is cleaned": Scene(over(things.hand_wiped)),
    "shadow of a vehicle": Scene(over(vehicles.shadow_of_someone)),
    "noise": Scene(over(camera.noise)),
    "a clock in the picture": Scene(over(camera.display(large=False))),
    "large display": Scene(over(camera.display(large=True))),
    "focus hunts": Scene(over(camera.focus_hunts)),
    "other profiles": Scene(over(camera.profiles)),
    "lost packets": Scene(over(camera.packets)),
    "camera restarts": Scene(over(camera.restarts)),
    "other sizes": Scene(camera.other_sizes),
    "water": Scene(over(camera.water_and_leaves), first=True),
    "stutter": Scene(camera.stutter, every=True),
    "noise taken off": Scene(camera.mixed(0.85, 0.15), every=True),
    "H.264, 150 kbit/s": Scene(camera.coded(150, 50, _quiet), every=True, first=True),
    "H.264, still life": Scene(camera.coded(200, 50, camera.still_life(1.5)), every=True, first=True),
    "H.264, still, no keyframes": Scene(
        camera.coded(100, 600, camera.still_life(0.7)), every=True, first=True
    ),
    "H.264, still nights": Scene(camera.coded(250, 50, camera.night_still_life), every=True, first=True),
}

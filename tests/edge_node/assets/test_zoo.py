from __future__ import annotations

import re
from typing import get_args

import pytest

from edge_node.assets.known import PERMISSIVE, KnownModel
from edge_node.assets.models import KNOWN, path_of
from edge_node.assets.names import Layout
from edge_node.assets.zoo import ZOO
from edge_node.detect.decode.families import FAMILIES

FETCHED = [known for known in ZOO if known.download is not None]


def named(models: list[KnownModel] | tuple[KnownModel, ...]) -> list[object]:
    return [pytest.param(known, id=known.name) for known in models]


def test_every_name_stands_for_one_model() -> None:
    assert len(KNOWN) == len(ZOO)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in KNOWN)


@pytest.mark.parametrize("known", named(ZOO))
def test_code_and_weights_of_every_model_are_under_a_permissive_licence(known: KnownModel) -> None:
    for licence in (known.code, known.weights):
        assert licence.name in PERMISSIVE
        assert licence.quote
        assert licence.where.startswith("https://")


def test_no_licence_of_the_list_asks_for_more_than_a_notice() -> None:
    for word in ("GPL", "NC", "CC-BY", "OpenRAIL"):
        assert not any(word in name for name in PERMISSIVE)


@pytest.mark.parametrize("known", named(ZOO))
def test_every_model_is_read_in_a_way_that_exists(known: KnownModel) -> None:
    assert known.layout in get_args(Layout)
    assert known.layout in FAMILIES
    assert 0 < known.ap < 70
    assert known.side % 32 == 0
    assert known.size in (None, known.side)


@pytest.mark.parametrize("known", named(FETCHED))
def test_a_model_to_fetch_has_an_https_address_and_a_hash_or_none(known: KnownModel) -> None:
    assert known.download is not None
    assert known.download.url.startswith("https://")
    assert known.recipe is None
    if known.download.sha256 is not None:
        assert re.fullmatch(r"[0-9a-f]{64}", known.download.sha256)
        assert known.download.pinned_by


def test_no_two_models_share_a_file_or_a_hash() -> None:
    addresses = [known.download.url for known in FETCHED if known.download]
    hashes = [known.download.sha256 for known in FETCHED if known.download and known.download.sha256]
    assert len(set(addresses)) == len(addresses)
    assert len(set(hashes)) == len(hashes)


def test_the_built_in_model_is_there() -> None:
    built_in = [known for known in ZOO if known.built_in]
    assert built_in
    assert all(path_of(known).is_file() for known in built_in)

"""The columns of some Samples one element after the other, as tables without arrays need them. For the exports only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..quality import GOOD
from ..tags import Tag

if TYPE_CHECKING:
    from .table import Samples

WHOLE = ("int", "uint", "bcd")


class Element(NamedTuple):
    """One column of a flat table."""

    name: str
    tag: Tag
    values: NDArray[Any]
    whole: NDArray[Any] | None  # the values as the device's integers, where these are the values
    good: NDArray[np.bool_]
    quality: NDArray[np.uint8]


def is_whole(tag: Tag) -> bool:
    """Whether the device's integers are the values: files keep these."""
    return tag.address.kind.kind in WHOLE and tag.raw


def elements_of(samples: Samples) -> Iterator[Element]:
    """Each element of each column."""
    for tag, names in zip(samples.layout.tags, samples.layout.elements, strict=True):
        values, quality = samples[tag.name], samples.quality[tag.name]
        whole = samples.raw[tag.name] if is_whole(tag) else None
        for number, name in enumerate(names):
            at = slice(None) if tag.address.count is None else (slice(None), number)
            yield Element(
                name,
                tag,
                values[at],
                None if whole is None else whole[at],
                np.asarray(quality[at] == GOOD),
                quality[at],
            )

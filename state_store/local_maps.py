"""Maps of one neighborhood, computed on request for a few hundred points; equal points give equal maps.

``mds``  metric MDS by SMACOF (de Leeuw 1977) with relaxed updates (de Leeuw & Heiser 1980), started from the classical
         solution; keeps distances best. With Euclidean distances the classical solution alone is the PCA map.
``pca``  the two directions of largest variance.
``tsne`` t-SNE (van der Maaten & Hinton 2008), started from PCA; keeps neighbors together and does not keep distances.
"""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats
from state_store.errors import MapError

LocalMapKind = Literal["mds", "pca", "tsne"]
LOCAL_MAP_KINDS: tuple[LocalMapKind, ...] = get_args(LocalMapKind)

_MOST_UPDATES = 100
_WORK = 10_000_000
_ENOUGH_IMPROVEMENT = 3e-6
"""Fall of the stress in one update, as a share of the summed squared distances, below which updates end."""
_NEAREST = 1e-6
"""Least distance on a map that is told from 0, as a share of the largest."""
_PERPLEXITY = 30.0
_FEWEST_TSNE_POINTS = 5
_SEED = 20_260_101

Doubles = NDArray[np.float64]


def project(points: Floats, kind: LocalMapKind) -> Floats:
    """Map points [points, size] to [points, 2] float32, centered on 0; points may be few or equal.

    Raises:
        MapError: there is no such kind of local map.
    """
    if kind not in LOCAL_MAP_KINDS:
        raise MapError(f"There is no local map {kind!r} (known: {', '.join(LOCAL_MAP_KINDS)}).")
    exact = points.astype(np.float64)
    flat = project_pca(exact)
    # Points that are all equal have no layout, and t-SNE needs several points to a neighborhood.
    if kind == "mds" and flat.any():
        flat = _refine_stress(measure_all_distances(exact), flat)
    elif kind == "tsne" and flat.any() and len(flat) >= _FEWEST_TSNE_POINTS:
        flat = _project_tsne(points, flat)
    return fix_signs(flat).astype(np.float32)


def project_pca(points: Doubles) -> Doubles:
    """Coordinates [points, 2] along the two directions of largest variance."""
    flat = np.zeros((len(points), 2))
    if len(points) < 2:
        return flat
    centered = points - points.mean(axis=0)
    # The eigenvectors of the smaller product take a fraction of the time of all singular vectors.
    by_points = len(points) <= points.shape[1]
    product = centered @ centered.T if by_points else centered.T @ centered
    values, vectors = np.linalg.eigh(product)
    values, vectors = values[:-3:-1], vectors[:, :-3:-1]
    scaled = vectors * np.sqrt(np.maximum(values, 0)) if by_points else centered @ vectors
    flat[:, : scaled.shape[1]] = scaled
    return flat


def fix_signs(flat: Doubles) -> Doubles:
    """Mirror each axis so that its farthest point is on the positive side, as methods leave the sign to chance."""
    if not len(flat):
        return flat
    farthest = flat[np.abs(flat).argmax(axis=0), range(flat.shape[1])]
    return flat * np.where(farthest < 0, -1.0, 1.0)


def measure_all_distances(points: Doubles) -> Doubles:
    """Euclidean distances [points, points]."""
    squares = np.einsum("pd,pd->p", points, points)
    between = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(between, 0)
    return np.asarray(np.sqrt(np.maximum(between, 0)))


def _refine_stress(distances: Doubles, flat: Doubles) -> Doubles:
    """Lower the stress by Guttman transforms until it hardly falls; fewer for many points, to bound the time.

    Each update goes twice as far as the transform, which never raises the stress and takes about half as many updates.
    The last one is plain: relaxed updates leave the scale of the map open. Float32 takes a third of the time.
    """
    updates = int(np.clip(_WORK / len(flat) ** 2, 5, _MOST_UPDATES))
    scale = distances.max()
    wanted = (distances / scale).astype(np.float32)
    axes = np.ascontiguousarray(flat.T / scale, np.float32)
    room = np.empty((2, *wanted.shape), np.float32)
    enough = _ENOUGH_IMPROVEMENT * float(np.square(wanted).sum())
    for _ in range(updates):
        change = _guttman(wanted, axes, room) - axes
        if _bound_fall(axes, change) < enough:
            break
        axes = axes + 2 * change
    refined = _guttman(wanted, axes, room).T.astype(np.float64) * scale
    return np.asarray(refined - refined.mean(axis=0))


def _bound_fall(axes: Floats, change: Floats) -> float:
    """The least by which a plain update lowers the summed squared errors; a change of scale alone is left out."""
    turned = change - axes * (np.vdot(change, axes) / np.vdot(axes, axes))
    return float(2 * axes.shape[1] * np.square(turned).sum())


def _guttman(wanted: Floats, axes: Floats, room: Floats) -> Floats:
    """The Guttman transform of a map.

    Args:
        wanted: [points, points] distances to be kept, the largest 1.
        axes: [2, points] coordinates.
        room: [2, points, points] memory to work in.
    """
    ratio, other = room
    for axis, squares in zip(axes, room, strict=True):
        np.subtract(axis[:, None], axis, out=squares)
        np.multiply(squares, squares, out=squares)
    np.sqrt(np.add(ratio, other, out=ratio), out=ratio)
    np.divide(wanted, np.maximum(ratio, np.float32(_NEAREST), out=ratio), out=ratio)
    return np.asarray((axes * ratio.sum(axis=1) - axes @ ratio) / np.float32(len(wanted)), np.float32)


def _project_tsne(points: Floats, start: Doubles) -> Doubles:
    # Imported on demand: scikit-learn takes a second to import, and most requests ask for another map.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    spread = start / np.abs(start).max() * 1e-4
    method = TSNE(
        perplexity=min(_PERPLEXITY, (len(points) - 1) / 3),
        init=spread.astype(np.float32),
        learning_rate="auto",
        random_state=_SEED,
    )
    # One thread: another order of summation would move points between requests.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        flat = method.fit_transform(points.astype(np.float32)).astype(np.float64)
    return np.asarray(flat - flat.mean(axis=0))

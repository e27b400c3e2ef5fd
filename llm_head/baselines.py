"""What the same tokens give without a language model: ridge and support vector regression.

If the head does not beat these, the language model adds nothing but its answers. Ridge on spatial
or on temporal tokens alone says what each encoder knows by itself. `llm_head.small_head` has more.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from llm_head.bootstrap import Floats, content_codes

REGRESSIONS = ("ridge", "svr", "ridge_spatial", "ridge_temporal")
HEADS = ("mlp", "mlp_spatial", "mlp_temporal")  # of `llm_head.small_head`
BASELINES = (*REGRESSIONS, *HEADS)
# a kernel machine's time grows with the square of its rows and more: 28,000 would take days
SVR_ROWS = 3000
_FOLDS = 5
_ALPHAS = np.logspace(-1, 6, 15)
_COSTS = (0.3, 1.0, 3.0, 10.0, 30.0)  # of labels with a standard deviation of 1
_WIDTHS = (0.1, 0.3, 1.0, 3.0)  # gamma, in units of 1 / F

Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def video_features(spatial: NDArray[np.floating], temporal: NDArray[np.floating]) -> Floats:
    """Return one row of features for a video.

    Args:
        spatial: ``(K, P, D)``, K chunks.
        temporal: ``(K, E)``, the same K.

    Returns:
        ``(D + E,)``: the spatial mean over chunks and positions, then the temporal mean.

    Raises:
        ValueError: if the shapes are others, or there is no chunk.
    """
    if spatial.ndim != 3 or temporal.ndim != 2 or len(spatial) != len(temporal) or not len(spatial):
        raise ValueError(
            f"spatial {spatial.shape} and temporal {temporal.shape}; wanted (K, P, D) and (K, E)"
        )
    # float16 would overflow in a sum
    means = [spatial.astype(np.float64).mean(axis=(0, 1)), temporal.astype(np.float64).mean(axis=0)]
    return np.concatenate(means)


def fit_predict(
    features_train: Floats,
    mos_train: Floats,
    features: Floats,
    groups: Sequence[str],
    seed: int,
    sizes: Sequence[int] = (),
) -> dict[str, Floats]:
    """Fit the regressions on the training split and predict; the same input, the same output.

    Settings are chosen by cross-validation inside the training split that keeps the clips of one
    content together. With fewer than two contents there is nothing to choose by, and the middle of
    each range is taken.

    Args:
        features_train: finite ``(n, F)``, n >= 1.
        mos_train: finite ``(n,)``.
        features: finite ``(m, F)``, videos to predict.
        groups: ``(n,)``, content of each training row; "": of its own.
        seed: of the division into folds.
        sizes: of the parts that a row is made of (spatial, temporal), adding up to F; each part
            gets the same total variance, so that a thousand temporal features do not drown a
            hundred spatial ones. Empty: one part, of which it is not said what it is.

    Returns:
        ``ridge``, ``svr`` (which learns from at most ``SVR_ROWS`` rows, whole contents drawn by
        seed), ``ridge_spatial`` and ``ridge_temporal`` (NaN unless there are both parts), each
        ``(m,)``, on the label's scale but not clipped to it.

    Raises:
        ValueError: if lengths differ, there is no training row, or a value is not finite.
    """
    if len(groups) != len(mos_train):
        raise ValueError(f"{len(mos_train)} labels, {len(groups)} groups")
    refuse_odd(features_train, mos_train, features)
    centre, spread = mos_train.mean(), mos_train.std()
    if len(features) == 0 or spread == 0:  # nothing to predict, or nothing to learn
        return {name: np.full(len(features), centre) for name in REGRESSIONS}
    weights = equal_shares(sizes or (features_train.shape[1],))
    scaler = StandardScaler().fit(features_train)
    x, target = weights * scaler.transform(features_train), (mos_train - centre) / spread
    asked = weights * scaler.transform(features)
    folds = _folds(groups, seed)
    some = _some_contents(groups, SVR_ROWS, seed)
    svr = _svr(_folds([groups[i] for i in some], seed), x.shape[1])
    found = {
        "ridge": _ridge(folds).fit(x, target).predict(asked),
        "svr": svr.fit(x[some], target[some]).predict(asked),
        "ridge_spatial": np.full(len(asked), np.nan),
        "ridge_temporal": np.full(len(asked), np.nan),
    }
    if len(sizes) == 2 and all(sizes):
        parts = (slice(0, sizes[0]), slice(sizes[0], None))
        for name, part in zip(("ridge_spatial", "ridge_temporal"), parts, strict=True):
            found[name] = _ridge(folds).fit(x[:, part], target).predict(asked[:, part])
    return {name: centre + spread * values for name, values in found.items()}


def refuse_odd(features_train: Floats, mos_train: Floats, features: Floats) -> None:
    """Raise ValueError if nothing can be learned: lengths differ, no row, a value not finite."""
    if len(mos_train) == 0 or len(features_train) != len(mos_train):
        raise ValueError(f"{len(features_train)} features, {len(mos_train)} labels")
    for name, array in (("features_train", features_train), ("features", features)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: {int((~np.isfinite(array)).sum())} values are not finite")
    if not np.isfinite(mos_train).all():
        raise ValueError("mos_train is not finite; leave rows without a label out")


def _some_contents(groups: Sequence[str], most: int, seed: int) -> NDArray[np.intp]:
    """Return sorted rows, at most so many, of whole contents (cut within the last one drawn)."""
    if len(groups) <= most:
        return np.arange(len(groups))
    codes = content_codes(groups, len(groups))
    contents, of_row = np.unique(codes, return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(contents))
    return np.sort(np.argsort(place[of_row], kind="stable")[:most])


def equal_shares(sizes: Sequence[int]) -> Floats:
    """Return ``(F,)`` factors that give parts equal shares of the variance, F in all."""
    parts = [size for size in sizes if size]
    share = sum(parts) / len(parts)
    return np.concatenate([np.full(size, (share / size) ** 0.5) for size in parts])


def _folds(groups: Sequence[str], seed: int) -> Folds:
    """Divide rows into at most five folds that share no content; none if there is one content."""
    codes = content_codes(groups, len(groups))
    count = min(_FOLDS, len(np.unique(codes)))
    if count < 2:
        return []
    folds = GroupKFold(count, shuffle=True, random_state=seed)
    return list(folds.split(np.empty((len(codes), 1)), groups=codes))


def _ridge(folds: Folds) -> Any:
    if not folds:
        return Ridge(_ALPHAS[len(_ALPHAS) // 2])
    return RidgeCV(_ALPHAS, cv=folds, scoring="neg_mean_squared_error")


def _svr(folds: Folds, n_features: int) -> Any:
    if not folds:
        return SVR(gamma=1 / n_features)
    grid = {"C": list(_COSTS), "gamma": [width / n_features for width in _WIDTHS]}
    return GridSearchCV(SVR(), grid, cv=folds, scoring="neg_mean_squared_error")

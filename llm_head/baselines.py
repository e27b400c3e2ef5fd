"""What the same tokens give without a language model: ridge and support vector regression.

If the head does not beat these, the language model adds nothing but its answers.
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

BASELINES = ("ridge", "svr")
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
    """Fit both regressions on the training split and predict; the same input, the same output.

    Settings are chosen by cross-validation inside the training split that keeps the clips of one
    content together. With fewer than two contents there is nothing to choose by, and the middle of
    each range is taken.

    Args:
        features_train: finite ``(n, F)``, n >= 1.
        mos_train: finite ``(n,)``.
        features: finite ``(m, F)``, videos to predict.
        groups: ``(n,)``, content of each training row; "": of its own.
        seed: of the division into folds.
        sizes: of the parts that a row is made of, adding up to F; each part gets the same total
            variance, so that a thousand temporal features do not drown a hundred spatial ones.
            Empty: one part.

    Returns:
        ``ridge`` and ``svr``, each ``(m,)``, on the label's scale but not clipped to it.

    Raises:
        ValueError: if lengths differ, there is no training row, or a value is not finite.
    """
    n = len(mos_train)
    if n == 0 or len(features_train) != n or len(groups) != n:
        raise ValueError(f"{len(features_train)} features, {n} labels, {len(groups)} groups")
    for name, array in (("features_train", features_train), ("features", features)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: {int((~np.isfinite(array)).sum())} values are not finite")
    if not np.isfinite(mos_train).all():
        raise ValueError("mos_train is not finite; leave rows without a label out")
    centre, spread = mos_train.mean(), mos_train.std()
    if len(features) == 0 or spread == 0:  # nothing to predict, or nothing to learn
        return {name: np.full(len(features), centre) for name in BASELINES}
    weights = _weights(sizes or (features_train.shape[1],))
    scaler = StandardScaler().fit(features_train)
    x, target = weights * scaler.transform(features_train), (mos_train - centre) / spread
    folds = _folds(groups, seed)
    models = {"ridge": _ridge(folds), "svr": _svr(folds, x.shape[1])}
    return {
        name: centre + spread * model.fit(x, target).predict(weights * scaler.transform(features))
        for name, model in models.items()
    }


def _weights(sizes: Sequence[int]) -> Floats:
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

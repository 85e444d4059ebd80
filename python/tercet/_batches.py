"""Training data in batches for NumPy, JAX, PyTorch and XGBoost; none of these is needed to import
this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

from tercet.errors import InvalidError

if TYPE_CHECKING:
    from tercet.training_data import TrainingPart


def _matrix(table: Any, dtype: Any) -> Any:
    """A table's columns as one array (rows, columns); null is NaN."""
    import numpy as np
    import pyarrow as pa

    matrix = np.empty((table.num_rows, table.num_columns), dtype=dtype)
    for k, name in enumerate(table.column_names):
        column = table.column(k)
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
                or pa.types.is_boolean(column.type)):
            raise InvalidError(f"column '{name}' of type {column.type} is no number; encode it by "
                               "a transformation of the view")
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        # Through float64, since float32 has no null and integers no NaN.
        matrix[:, k] = column.cast(pa.float64(), safe=False).to_numpy()
    return matrix


class Batches:
    """A part's rows in batches of (X, y), as often as iterated."""

    def __init__(self, part: "TrainingPart", size: int, *, shuffle: bool, seed: int,
                 drop_last: bool):
        if size < 1:
            raise InvalidError(f"a batch has at least one row, not {size}")
        self._features = part.features.to_arrow()
        self._labels = part.labels.to_arrow()
        self._size, self._shuffle, self._seed = size, shuffle, seed
        self._drop_last = drop_last
        self._passes = 0

    def __len__(self) -> int:
        rows = self._features.num_rows
        return rows // self._size if self._drop_last else -(-rows // self._size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._slices(0, 1)

    def _slices(self, worker: int, workers: int) -> Iterator[tuple[Any, Any]]:
        import numpy as np

        rows = self._features.num_rows
        order = None
        if self._shuffle:
            order = np.random.default_rng((self._seed, self._passes)).permutation(rows)
        self._passes += 1
        for batch in range(worker, len(self), workers):
            begin, end = batch * self._size, min(rows, (batch + 1) * self._size)
            if order is None:
                x, y = (table.slice(begin, end - begin)
                        for table in (self._features, self._labels))
            else:
                x, y = (table.take(order[begin:end]) for table in (self._features, self._labels))
            labels = _matrix(y, np.float32)
            yield _matrix(x, np.float32), labels[:, 0] if labels.shape[1] == 1 else labels

    def torch(self) -> Any:
        """A `torch.utils.data.IterableDataset` of (X, y) tensors, for a DataLoader with
        `batch_size=None`; its workers share the batches among them."""
        import torch
        from torch.utils import data

        batches = self

        class TorchBatches(data.IterableDataset):
            def __len__(self) -> int:
                return len(batches)

            def __iter__(self) -> Iterator[tuple[Any, Any]]:
                worker = data.get_worker_info()
                slices = batches._slices(worker.id if worker else 0,
                                         worker.num_workers if worker else 1)
                for x, y in slices:
                    yield torch.from_numpy(x), torch.from_numpy(y)

            def __reduce__(self) -> Any:  # for workers that are not forked
                return Batches.torch, (batches,)

        return TorchBatches()


def xgboost_iterator(part: "TrainingPart", size: int, cache: str | None, weights: Any) -> Any:
    """See TrainingPart.xgboost_iterator."""
    import xgboost

    batches = Batches(part, size, shuffle=False, seed=0, drop_last=False)
    names = part.features.columns

    class PartIterator(xgboost.DataIter):
        def __init__(self) -> None:
            self._iterator: Iterator[tuple[Any, Any]] = iter(batches)
            self._begin = 0
            super().__init__(cache_prefix=cache)

        def next(self, input_data: Any) -> bool:
            for x, y in self._iterator:
                end = self._begin + len(x)
                weight = None if weights is None else weights[self._begin:end]
                input_data(data=x, label=y, weight=weight, feature_names=list(names))
                self._begin = end
                return True
            return False

        def reset(self) -> None:
            self._iterator = iter(batches)
            self._begin = 0

    return PartIterator()

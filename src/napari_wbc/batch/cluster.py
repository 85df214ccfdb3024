"""A dask cluster does the work. Its workers see the images and the results folder under the same paths as this machine."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from threading import Lock

from ..errors import DeviceError, UsageError, WbcError, WorkersError
from ..pipeline import LoadModels, Models
from ..results.record import ImageRow
from .backlog import Backlog, Chunk
from .discover import InputImage
from .job import Engine, Job, Rows, describe
from .work import work

try:
    from distributed import Client, Future, KilledWorker, WorkerPlugin, as_completed, get_worker
    from distributed.comm import get_address_host_port
except ImportError as error:
    raise UsageError(
        "--cluster needs dask.distributed: pip install 'napari-wbc[cluster]' (in a copy of the repository: '.[cluster]')."
    ) from error

PLUGIN = "napari-wbc"
CHUNKS_IN_FLIGHT = 2
"""Chunks for each thread of the cluster that its scheduler knows of at a time; with all of 10⁶ images it would grow heavy."""

PATIENCE_S = 60.0
"""Time to wait for the scheduler, also where it is lost, and for the first worker."""


class Cluster:
    """The workers of a dask cluster, each with models of its own.

    dask gives what a lost worker had in hand to another, a few times. It blames all that a worker had been sent, so what comes
    back from it is tried again alone in the whole cluster.

    Parameters
    ----------
    load_models
        Gives the models; picklable, as it runs on the workers.
    address
        Of the scheduler, such as `tcp://10.0.0.1:8786`.

    Raises
    ------
    UsageError
        If the address is none.
    WorkersError
        If there is no scheduler or no worker.
    WbcError
        If the models cannot be loaded.
    """

    def __init__(self, load_models: LoadModels, address: str) -> None:
        try:
            get_address_host_port(address)  # `Client` finds this too, but then hangs where it is thrown away
        except ValueError as error:
            raise UsageError(f"--cluster takes an address such as tcp://HOST:8786; found {address!r}: {error}.") from None
        try:
            self._client = Client(address, timeout=PATIENCE_S, set_as_default=False)
            self._client.wait_for_workers(1, timeout=PATIENCE_S)
        except (OSError, ValueError, TimeoutError) as error:
            raise WorkersError(f"No dask cluster with a worker is at {address}: {error}. Check address and workers.") from None
        self._client.register_plugin(_ModelsOfWorker(load_models), name=PLUGIN)
        self.engine: Engine = self._client.submit(_describe, pure=False).result()

    @property
    def n(self) -> int:
        """Threads of the cluster, which may come and go."""
        n_threads: int = sum(self._client.nthreads().values())
        return max(1, n_threads)

    def work(self, images: Sequence[InputImage], job: Job) -> Rows:
        """Analyse the images and write their results; rows in the order in which their chunks are finished.

        Raises
        ------
        WorkersError
            If the scheduler is lost.
        """
        try:
            yield from self._share_out(images, job)
        except (CancelledError, OSError) as error:
            if isinstance(error, WbcError):
                raise
            raise WorkersError("The cluster's scheduler was lost. The same command continues when it is back.") from None

    def _share_out(self, images: Sequence[InputImage], job: Job) -> Rows:
        """`work`; what dask raises when it loses its scheduler is not yet an error of ours."""
        backlog = Backlog(images, self.n)
        open_: dict[Future, Chunk] = {}
        finished = as_completed(loop=self._client.loop)
        while True:
            while len(open_) < CHUNKS_IN_FLIGHT * self.n and (chunk := backlog.take(alone=not open_)):
                future = self._client.submit(_work, chunk, job, pure=False)
                open_[future] = chunk
                finished.add(future)
            if not open_:
                return
            future = next(finished)
            chunk = open_.pop(future)
            try:
                yield from future.result()
            except KilledWorker as killed:
                yield from backlog.lost(chunk, f"last on {killed.last_worker.address}", job)

    def close(self) -> None:
        """Let go of the cluster; chunks that it is at are finished there."""
        self._client.close()


class _ModelsOfWorker(WorkerPlugin):  # type: ignore[misc]
    """The models of a worker of the cluster, loaded when they are first needed. One chunk at a time uses them."""

    def __init__(self, load_models: LoadModels) -> None:
        self._load_models = load_models
        self._models: Models | None = None

    def setup(self, worker: object) -> None:
        """Called on each worker, also on those that join later."""
        self.lock = Lock()

    def models(self) -> Models:
        """The models; to be called with the lock held."""
        self._models = self._models or self._load_models()
        return self._models


def _describe() -> Engine:
    """Runs on a worker: what computes there."""
    plugin = get_worker().plugins[PLUGIN]
    with plugin.lock:
        return describe(plugin.models())


def _work(chunk: Chunk, job: Job) -> list[ImageRow]:
    """Runs on a worker: the rows of a chunk.

    Raises
    ------
    DeviceError
        If this worker computes otherwise than the one that was asked first.
    """
    plugin = get_worker().plugins[PLUGIN]
    with plugin.lock:
        models = plugin.models()
        engine = describe(models)
        if engine != job.engine:
            raise DeviceError(f"The workers of the cluster differ: {engine} and {job.engine}. Take workers of one kind.")
        return [row for row in work(chunk, job, models) if isinstance(row, ImageRow)]

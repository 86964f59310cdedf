"""The processes of torchrun, or of `clfkit train --processes`, that train one model together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clfkit.engines.pytorch.global_draws import Rows
from clfkit.engines.pytorch.whole_batch import as_whole_batch
from clfkit.errors import UsageError, WorkerLost
from clfkit.interruption import Interruption
from clfkit.wording import first_line
from clfkit.world import World, cut

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
LOST = (
    "closed by peer",
    "reset by peer",
    "Broken pipe",
    "timed out",
    "Timed out",
    "Connection refused",
    "remote process",
)
"""What torch's messages say when another process has gone: gloo raises bare RuntimeErrors."""
LAST_WORDS, DONE = "clfkit/last words", "clfkit/done"  # keys in the store that all processes share
PATIENCE = 2.0  # seconds to wait for last words
LONGEST_WORK = timedelta(minutes=30)
"""How long the fastest process waits for the slowest: to read its data, say."""


class TorchWorld(World):
    """A world over torch.distributed: gloo between processors, nccl between GPUs. See World.

    Raises UsageError when the environment does not tell this process its place.
    """

    grace = 1.0

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        missing = [name for name in NEEDED if not environment.get(name)]
        if missing:
            raise UsageError(f"WORLD_SIZE is set, but not {', '.join(missing)}: torchrun sets them all")
        self.rank, self.size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
        self.machine_size = int(environment.get("LOCAL_WORLD_SIZE", self.size))
        backend = "gloo"
        if torch.cuda.is_available():
            torch.cuda.set_device(int(environment.get("LOCAL_RANK", self.rank)) % torch.cuda.device_count())
            backend = "cpu:gloo,cuda:nccl"
        with lost_peers("the processes do not find one another"):
            dist.init_process_group(backend, timeout=LONGEST_WORK)
        self._store: Any = dist.distributed_c10d._get_default_store()
        self._ddp: DistributedDataParallel | None = None
        self._held: list[nn.Parameter] = []

    def total(self, value: Any) -> Any:
        """See World."""
        if isinstance(value, Tensor):
            summed = value.detach().clone()
            dist.all_reduce(summed)
            return summed
        number = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(number)
        return type(value)(number.item())

    def gather(self, array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """See World. Arrays are padded to the longest, since gloo takes equal ones only."""
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(array)]))
        longest = int(max(lengths))
        mine = np.zeros((longest, *array.shape[1:]), array.dtype)
        mine[: len(array)] = array
        parts = [torch.empty(mine.shape, dtype=torch.from_numpy(mine).dtype) for _ in range(self.size)]
        dist.all_gather(parts, torch.from_numpy(mine))
        return [part[: int(length)].numpy() for part, length in zip(parts, lengths, strict=True)]

    def largest(self, *numbers: int) -> tuple[int, ...]:
        """See World."""
        agreed = torch.tensor(numbers)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return tuple(agreed.tolist())

    def first(self, text: str) -> str:
        """See World."""
        words = np.frombuffer(text.encode() if self.rank == 0 else b"", np.uint8)
        return self.gather(words)[0].tobytes().decode()

    def learner(self, model: nn.Module) -> nn.Module:
        """See World. Made at the first step, and anew when other parameters learn: a backbone that is unfrozen."""
        learnable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if [id(parameter) for parameter in learnable] != [id(parameter) for parameter in self._held]:
            self._ddp = None  # its hooks go with it
            self._ddp = DistributedDataParallel(model, forward_sync_buffers=False)
            self._held = learnable
        assert self._ddp is not None, "a model without learnable parameters is not trained"
        return self._ddp

    @contextmanager
    def piece(self, learner: DistributedDataParallel, number: int, samples: int, pieces: int = 1) -> Iterator[None]:
        """See World."""
        every = list(cut(samples, pieces))
        start, whole = every[number]
        own = self.share(samples, pieces)[number]
        with ExitStack() as during:
            if number < len(every) - 1:
                during.enter_context(learner.no_sync())
            during.enter_context(as_whole_batch(Rows(own.start - start, own.stop - start, whole, whole // self.size)))
            yield

    def guard(self) -> AbstractContextManager[object]:
        """See World."""
        return self._guarded()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not any(sign in str(error) for sign in LOST):
                raise
            with Interruption():  # torchrun sends a signal to those that are left, which have something to say yet
                raise WorkerLost(self._last_words()) from error

    def _last_words(self) -> str:
        """Why another process ended, if it could say."""
        until = time.monotonic() + PATIENCE
        with suppress(RuntimeError):  # the store may be gone with rank 0
            while time.monotonic() < until:
                if self._store.check([LAST_WORDS]):
                    return str(self._store.get(LAST_WORDS).decode())
                time.sleep(0.05)
        return "another process of this run ended without a word: it was killed, or its machine is gone"

    def leave(self) -> None:
        """See World."""
        self._ddp, self._held = None, []
        self.largest(0)
        dist.destroy_process_group()
        self.size = self.machine_size = 1

    def report(self, message: str) -> None:
        """See World. Rank 0 says so when it ends, too."""
        with suppress(RuntimeError):
            self._store.set(DONE if self.rank == 0 else LAST_WORDS, message)

    def await_first(self) -> None:
        """See World."""
        with suppress(RuntimeError):
            self._store.wait([DONE], timedelta(minutes=1))


@contextmanager
def lost_peers(what: str) -> Iterator[None]:
    """torch's errors of the network as ours."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise WorkerLost(f"{what}: {first_line(error)}") from error

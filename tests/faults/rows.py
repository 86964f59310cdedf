"""The rows of the matrix of faults, in the order of the table: what is tried, and what must hold."""

ROWS = {
    "A1": "SIGKILL at any moment, then `--resume`: weights, optimizer, average, history, order of samples to the bit",
    "A2": "a cut at every step, under every schedule: the same learning rates, best score, patience, augmentations",
    "A3": "workers 0 ↔ 4, resident ↔ cached ↔ streamed: the same samples in the same batches",
    "A4": "making and leaving iterators: no global generator moves",
    "A5": "`--resume` of interrupted, finished and changed runs: the latest goes on, a change is named",
    "A6": "`clfkit verify` of runs as they were and of altered ones: says from which step on they differ",
    "B1": "each system call of a save fails once: loud, the previous checkpoint loads, nothing is left over",
    "B2": "a full disk, and a limit on the size of files: named as such, the last checkpoint is intact",
    "B3": "an output folder that becomes read-only or vanishes: loud at the next write",
    "B4": "corrupted checkpoints: refused with the reason, `--resume` falls back to the previous good one",
    "B5": "two processes for one run: one wins, the other names it and leaves; a dead one's lock is recovered",
    "B6": "a torn last line of history.jsonl: repaired on resume",
    "C": "SIGINT, SIGTERM, SIGUSR1 in every phase, to process and group: a checkpoint in 10 s, the status, no orphans",
    "D": "numbers that are not finite, memory that runs out, metrics without a value, labels out of range: named",
    "E1": "bad and odd images: never trained on in silence, named with class and reason",
    "E2": "odd layouts of folders and tables: the classes and samples that a user means, or one clear line",
    "E3": "`clfkit check-data` on all of it: reported without training",
    "F": "hostile files: refused in one line, in bounded time and memory, and nothing of them runs",
}

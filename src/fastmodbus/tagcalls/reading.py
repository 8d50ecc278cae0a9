"""Reading named values: a read executes its plan, and refines it where the device refuses.

Where a request is refused with exception 2, 3 or 4, bridges are taken back and the request divided, until the tags that
cannot be read stand alone; those that fail twice while others succeed are holes, remembered and left out for a while. A
device that refuses everything teaches nothing. A part of `tagcalls`; only that uses it.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import batch as core
from .._core.batch import Batch
from .._core.reactor import now
from ..calls import Call, Steps
from ..explain import error_of
from ..naming import Names, Selection
from ..plan import Learnt, ReadPlan
from ..plan.refining import REFUSALS, ReadKey, Refinement, read_key
from ..quality import quality_of
from ..spec import Status

log = logging.getLogger("fastmodbus")

_Result = tuple[int, int, int, int, int, int, int, bool, int]


class _Poll:
    """One pass after the other over the reads of a selection, until there is nothing more to ask.

    ``failed`` has the results of the plan's reads that have no answer, by their numbers. What was answered and what is
    settled (failed, and asking again would not help) outlives a generation of the plan, by the reads themselves.
    """

    def __init__(self, call: Call, selection: Selection) -> None:
        self.call, self.selection = call, selection
        self.answers: dict[ReadKey, NDArray[Any]] = {}
        self.settled: dict[ReadKey, _Result] = {}
        self.refinement = Refinement()
        self._execute(selection)

    def _execute(self, selection: Selection) -> None:
        self.plan, self.decoder, self.requests = selection.plan, selection.decoder, selection.requests
        self.stages = selection.stages
        self.image = self.decoder.image()
        self.failed: dict[int, _Result] = {}

    def steps(self) -> Steps[None]:
        """Ask stage by stage, then again for what is still open, as long as refining the plan leaves anything."""
        stages = self.stages
        while True:
            for numbers in stages:
                every = len(numbers) == len(self.requests)
                requests = self.requests if every else [self.requests[number] for number in numbers]
                batch = self.call.limit(core.image_batch(requests, self.image))
                yield batch
                if self.failed or not batch.ok():
                    self._note(batch, numbers)
            if not self.failed or not self._refine():
                return
            stages = self._open()

    def _note(self, batch: Batch, numbers: list[int]) -> None:
        for index, number in enumerate(numbers):
            result = batch.result(index)
            if result[0] == Status.OK:
                self.failed.pop(number, None)
            else:
                self.failed[number] = result

    def _open(self) -> list[list[int]]:
        """The reads that are neither answered nor settled, stage by stage."""
        done = self.answers.keys() | self.settled.keys()
        stages = [[one for one in numbers if read_key(self.plan.reads[one]) not in done] for numbers in self.stages]
        return [numbers for numbers in stages if numbers]

    def _refine(self) -> bool:
        """Make the next generation of the plan; False when asking again would not help."""
        self._keep_answers()
        refused = []
        for number, result in self.failed.items():
            read = self.plan.reads[number]
            if read_key(read) in self.settled:
                continue
            if result[0] == Status.EXCEPTION and result[2] in REFUSALS:
                refused.append(read)
            else:
                self.settled[read_key(read)] = result
        plan, again = self.refinement.refine(self.plan, refused, answered=bool(self.answers))
        results = {read_key(self.plan.reads[number]): result for number, result in self.failed.items()}
        self.settled |= {key: results[key] for key in self.refinement.settled & results.keys()}
        if plan is self.plan:
            return again
        self._follow(plan)
        return True

    def _keep_answers(self) -> None:
        targets = self.decoder.targets(self.image)
        for number, read in enumerate(self.plan.reads):
            if number not in self.failed:
                self.answers[read_key(read)] = targets[number]

    def _follow(self, plan: ReadPlan) -> None:
        """Go on with another generation of the plan, and with what the reads of earlier ones brought."""
        self._execute(self.selection.by(plan))
        targets = self.decoder.targets(self.image)
        for number, read in enumerate(plan.reads):
            key = read_key(read)
            if key in self.answers:
                targets[number][:] = self.answers[key]
            elif key in self.settled:
                self.failed[number] = self.settled[key]

    def teach(self, names: Names) -> None:
        """Remember what was learnt, if anything, and if the device answered anything at all."""
        if not self.refinement.begun or (not self.answers and len(self.failed) == len(self.requests)):
            return
        for tag in names.unsaid(self.plan.tags[hole] for hole in self.refinement.holes):
            log.warning(
                "%s: %s (%s) is refused by the device and left out", self.call.where.label, tag.name, tag.address
            )
        plan = self.refinement.conclude(self.plan, self.selection.plan)
        if plan is not self.selection.plan:
            names.learn(plan.learnt, self.selection.plan.learnt, now() / 1e9)

    def values(self) -> list[Any]:
        """The values of the plan's tags, by their numbers."""
        if not self.failed:
            return self.decoder.values(self.image)
        statuses = np.zeros(len(self.requests), np.uint8)
        for number, result in self.failed.items():
            statuses[number] = quality_of(result[0], result[2])
        return self.decoder.values(self.image, statuses)


def read(call: Call, names: Names, what: Any, fresh: bool = False) -> Steps[Any]:
    """Read what is named; see `Client.read`."""
    names.freshen(now() / 1e9, fresh)
    while True:
        selection = names.to_read(what)
        connection = names.connections() if selection.once or selection.fixed else 0
        poll = _Poll(call, selection)
        start = now()
        yield from poll.steps()
        if len(selection.stages) == 1 and not poll.refinement.begun and not poll.failed:
            end = now()
            names.took(selection.plan, end - start, end / 1e9)
        values = poll.values()
        poll.teach(names)
        if poll.failed:
            raise _first_failure(poll, selection.result(values))
        if selection.fixed and names.connections() != connection:
            continue  # what never changes is another connection's: read all of it
        if selection.once and names.connections() <= max(connection, 1):
            names.remember(selection, values, names.connections())
        return selection.result(values)


def _first_failure(poll: _Poll, partial: Any) -> Exception:
    found = [error_of(poll.failed[number], poll.call.where) for number in sorted(poll.failed)]
    found[0].partial, found[0].errors = partial, tuple(found)
    return found[0]


def plan_of(names: Names, what: Any, learnt: Learnt | None = None) -> ReadPlan:
    """The plan that `read` uses, in its newest generation; with all that was learnt, where more than plans need is."""
    plan = names.to_read(what).plan
    return plan if learnt is None or learnt is plan.learnt else plan.informed(learnt)

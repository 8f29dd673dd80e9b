"""
What can go wrong in the allocator, as one tree. Unserved demands and running out of time are answers, not errors.

AllocatorError
├── BadInstance      arrays that contradict each other; names the array, the place and what was expected
├── LocksConflict    demands that must be served cannot all be served
├── EngineFailed     an OR-Tools engine gave no answer where it must have one
└── PlanRejected     the checker does not accept a plan: a bug of ours, never published
"""


class AllocatorError(Exception):
    """Root of the allocator's errors."""


class BadInstance(AllocatorError, ValueError):
    """An instance whose arrays contradict each other."""


class LocksConflict(AllocatorError):
    """The groups that must be served cannot all be served; `groups` are their indices."""

    def __init__(self, groups: tuple[int, ...]) -> None:
        self.groups = groups
        super().__init__(f"{len(groups)} groups that must be served cannot all be served")


class EngineFailed(AllocatorError):
    """An engine stopped without an answer."""


class PlanRejected(AllocatorError):
    """A plan that breaks a rule, or a value or bound that is not what the checker computes."""

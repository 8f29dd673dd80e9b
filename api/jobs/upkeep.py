"""The queue's own upkeep: jobs of dead workers are done again, finished ones are forgotten."""

from __future__ import annotations

import logging

from procrastinate import JobContext
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Status

_logger = logging.getLogger("baytide")

STALLED_S = 20.0
"""A worker that has not been heard of for so long is taken for dead, and its jobs are done by others."""
_KEPT_H = 24 * 7


async def retry_stalled_jobs(context: JobContext, timestamp: int = 0) -> None:  # noqa: ARG001 -- as the clock calls it
    """Put the jobs of workers that are gone back into the queue; the queue itself never does."""
    jobs = context.app.job_manager
    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
        if job.id == context.job.id:
            continue
        try:
            await jobs.retry_job(job)
        except UniqueViolation:
            # The clock has asked for the same again, which waits for this one to leave.
            await jobs.finish_job(job, status=Status.FAILED, delete_job=True)
        except ConnectorException:
            continue  # it is in hand: another worker has found it at the same moment
        _logger.info("job_taken_over job=%s attempts=%d", job.task_name, job.attempts + 1)


async def forget_finished_jobs(context: JobContext, timestamp: int = 0) -> None:  # noqa: ARG001 -- as the clock calls it
    """Delete what is left of jobs that failed a week ago; those that succeeded leave nothing."""
    await context.app.job_manager.delete_old_jobs(
        nb_hours=_KEPT_H, include_failed=True, include_cancelled=True, include_aborted=True
    )
